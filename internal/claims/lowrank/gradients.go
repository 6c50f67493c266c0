package lowrank

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// gradientBatches are the batch sizes of P1.5; with 2 x 2 output positions, 4, 8 and 16 directions are allowed.
var gradientBatches = []int{1, 2, 4}

// gradientRank is P1.5: what is beyond direction m B of a mini-batch gradient, relative to the first, is rounding, before and after
// training.
func gradientRank(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	s, err := lab.Setting("P1.5")
	if err != nil {
		return nil, err
	}
	in64, err := gradientTails[float64](ctx, s)
	if err != nil {
		return nil, err
	}
	in32, err := gradientTails[float32](ctx, s)
	if err != nil {
		return nil, err
	}
	o := claims.All(in64.tails.all().Test(bound64), in32.tails.all().Test(bound32))
	o.Setup = fmt.Sprintf("%d hidden weights: %s; batches of %v, at the start and after %d rounds", len(layersOf(s.Job.Net)), in64.shapes, gradientBatches, s.Spec.Rounds)
	o.Predicted = "0 beyond direction m B"
	o.Measured = fmt.Sprintf("sigma_{mB+1}/sigma_1 at most, float64: %v; float32: %v", in64.tails, in32.tails)
	o.Why += fmt.Sprintf("; %d gradients in each precision could have broken it (m B below both sides)", in64.counted)
	if in64.counted == 0 {
		o.Verdict, o.Why = claims.NotTestable, "in every layer of this network m B reaches a side, so that the bound says nothing"
	}
	return o, nil
}

// tails are what lies beyond the allowed directions.
type tails struct {
	tails   worst
	counted int
	shapes  string
}

func gradientTails[F float32 | float64](ctx context.Context, s *claims.Setting) (*tails, error) {
	model, err := runner[F](s).Run(ctx, s.Spec.Rounds, nil)
	if err != nil {
		return nil, err
	}
	out := &tails{tails: worst{}}
	for _, l := range layersOf(s.Job.Net) {
		out.shapes += fmt.Sprintf("%s %dx%d (m=%d), ", l.kind, l.rows, l.cols, l.positions)
	}
	out.shapes = out.shapes[:max(0, len(out.shapes)-2)]
	for _, params := range [][]F{begin[F](s), model} {
		for _, b := range gradientBatches {
			g := gradient(s, params, s.Job.Shards[0][:b])
			if err := out.add(g, s, b); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// add measures the gradient of a batch of b examples.
func (t *tails) add(g any, s *claims.Setting, b int) error {
	for _, l := range layersOf(s.Job.Net) {
		allowed := l.positions * b
		if allowed >= min(l.rows, l.cols) {
			continue
		}
		values, err := singularOf(g, l)
		if err != nil {
			return err
		}
		t.counted++
		t.tails.add(l.kind, tail(values, allowed))
	}
	return nil
}

// tail returns the first singular value beyond the allowed ones over the largest; 0 for a matrix of zeros.
func tail(values []float64, allowed int) float64 {
	if values[0] == 0 {
		return 0
	}
	return values[allowed] / values[0]
}

func singularOf(block any, l layer) ([]float64, error) {
	if single, is := block.([]float32); is {
		return singular(single, l)
	}
	return singular(block.([]float64), l)
}
