package localsteps

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/fedrelu/fedrelu/internal/claims"
)

const (
	leastFit  = 0.9  // R^2 of log-loss over rounds in the first decade (P6.1)
	decade    = 0.1  // of the first loss
	mostLoss  = 0.01 // of the first loss, after the last round: another decade, on the way to 0
	mostDrift = 1.5  // times the first round's (P6.2)
)

// geometric is P6.1.
func geometric(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	all, err := histories[float64](ctx, lab)
	if err != nil {
		return nil, err
	}
	o := judgeGeometric(all)
	last := all[0].Loss[len(all[0].Loss)-1] / all[0].Loss[0]
	o.Setup = t1Setup(lab, "P6.1")
	o.Predicted = fmt.Sprintf("log-loss falls in a straight line over the rounds of the first decade (R^2 > %g), and on to less than %g of the first", leastFit, mostLoss)
	o.Measured = fmt.Sprintf("R^2 %.3f; loss after %d rounds %.2g of the first (seed 1: %.2g)", stat.Mean(fits(all), nil), len(all[0].Loss)-1, stat.Mean(lasts(all), nil), last)
	drawConvergence(lab, all)
	return o, nil
}

// judgeGeometric judges the straightness of the first decade, where a run that does not get through it has no fit, and the last loss.
func judgeGeometric(all []*history) *claims.Outcome {
	straight, end := claims.TestTrend(fits(all), claims.Above, leastFit), claims.TestTrend(lasts(all), claims.Below, mostLoss)
	straight.Why = "R^2 of the first decade: " + straight.Why
	end.Why = "the last loss over the first: " + end.Why
	return claims.All(straight, end)
}

// lasts returns the last loss of every run over its first.
func lasts(all []*history) []float64 {
	out := make([]float64, len(all))
	for i, h := range all {
		out[i] = math.NaN()
		if n := len(h.Loss); n > 0 {
			out[i] = h.Loss[n-1] / h.Loss[0]
		}
	}
	return out
}

func fits(all []*history) []float64 {
	out := make([]float64, len(all))
	for i, h := range all {
		out[i] = fit(h.Loss)
	}
	return out
}

// fit returns R^2 of the logarithm of the losses over the rounds down to a tenth of the first; 0 where that was not reached or the
// line does not fall.
func fit(loss []float64) float64 {
	if len(loss) == 0 {
		return 0
	}
	end := slices.IndexFunc(loss, func(v float64) bool { return v <= decade*loss[0] })
	if end < 2 {
		return 0
	}
	var x, y []float64
	for r, v := range loss[:end+1] {
		x, y = append(x, float64(r)), append(y, math.Log(v))
	}
	offset, slope := stat.LinearRegression(x, y, nil, false)
	if slope >= 0 {
		return 0
	}
	return stat.RSquared(x, y, nil, offset, slope)
}

// bounded is P6.2.
func bounded(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	all, err := histories[float64](ctx, lab)
	if err != nil {
		return nil, err
	}
	o := judgeBounded(all)
	o.Setup = t1Setup(lab, "P6.1")
	o.Predicted = "the largest drift of any round is at most 1.5 times that of the first"
	o.Measured = fmt.Sprintf("%.2f times, the largest of %d seeds", slices.Max(growths(all)), len(all))
	onMNIST, err := relativeOnMNIST(ctx, lab)
	o.Measured += "; " + onMNIST
	return o, err
}

func judgeBounded(all []*history) *claims.Outcome {
	return claims.TestTrend(growths(all), claims.Below, mostDrift)
}

func growths(all []*history) []float64 {
	out := make([]float64, len(all))
	for i, h := range all {
		var most claims.Worst
		for _, d := range h.Drift {
			most.Add(d / h.Drift[0])
		}
		out[i] = most.Value()
	}
	return out
}

func t1Setup(lab *claims.Lab, id string) string {
	s, err := lab.Spec(id)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("T1: one hidden layer in the theory's scaling, %d shards, %d full-batch local steps a round, float64", s.Shards.Count, s.Local.Schedule.Steps)
}
