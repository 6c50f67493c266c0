package localsteps

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
)

// inequality is P6.4: over a grid of first rounds and over whole trainings, in both precisions.
func inequality(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	in64, err := splitsOf[float64](ctx, lab)
	if err != nil {
		return nil, err
	}
	in32, err := splitsOf[float32](ctx, lab)
	if err != nil {
		return nil, err
	}
	wide, worst64 := judgeInequality(in64, 1, exact64)
	narrow, worst32 := judgeInequality(in32, 1, exact32)
	o := claims.All(wide, narrow)
	o.Setup = fmt.Sprintf("T1: widths %v, H %v, and every round of the trainings of P6.1: %d pairs of models in float64, %d in float32", t1Widths, t1Steps, len(in64), len(in32))
	o.Predicted = fmt.Sprintf("||grad F(W) - grad F(W')|| <= the smooth bound + the bound of the flipped gates, to %g of it in float64 and %g in float32", exact64, exact32)
	o.Measured = fmt.Sprintf("largest drift/bound %.3f in float64, %.3f in float32", worst64, worst32)
	return o, nil
}

// splitsOf returns the splits of the first rounds and of all rounds of the trainings of P6.1; in float32 those of the first seed.
func splitsOf[F kernel.Float](ctx context.Context, lab *claims.Lab) ([]*activity.Split, error) {
	first, err := firstRounds[F](ctx, lab)
	if err != nil {
		return nil, err
	}
	all, err := histories[F](ctx, lab)
	if err != nil {
		return nil, err
	}
	var splits []*activity.Split
	for _, c := range first {
		splits = append(splits, c.splits...)
	}
	for _, h := range all {
		splits = append(splits, h.Splits...)
	}
	return splits, nil
}

// judgeInequality judges how far beyond part of its bound any drift is, relative to it. part is 1 but in the control.
func judgeInequality(splits []*activity.Split, part, rounding float64) (*claims.Outcome, float64) {
	var worst claims.Worst
	for _, s := range splits {
		switch {
		case s.Bound > 0:
			worst.Add(s.Drift/(part*s.Bound) - 1)
		case s.Drift > 0:
			worst.Add(math.Inf(1))
		}
	}
	return worst.Test(rounding), worst.Value() + 1
}
