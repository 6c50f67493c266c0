package localsgd

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// single is the arithmetic of clusters: float32 models, the exact mean.
type single struct {
	trainer   *Trainer
	algorithm Algorithm
	sum       *Sum
}

func (s *single) begin(start []float32) error {
	s.sum.Reset(NewGrid(s.trainer.job.Net.Layout(), start))
	return nil
}

func (s *single) train(ctx context.Context, task Task, start, end []float32) (Facts, error) {
	return s.trainer.Train(ctx, task, s.sum.Grid(), start, end)
}

func (s *single) add(share Share, end []float32) error { return s.sum.Add(share, end) }

func (s *single) finish(start, next []float32) error { return s.algorithm.Finish(s.sum, start, next) }

// double is that of float64 models: the plain weighted mean. A lone update has weight 1, and is the mean.
type double struct {
	solver    *solver[float64]
	algorithm Algorithm
	sum       []float64
	weight    float64
}

func (d *double) begin([]float64) error {
	if _, is := d.algorithm.Rule.(PreciseRule); !is {
		return fmt.Errorf("the rule %s has no form in float64", d.algorithm.Rule.Name())
	}
	clear(d.sum)
	d.weight = 0
	return nil
}

func (d *double) train(ctx context.Context, task Task, start, end []float64) (Facts, error) {
	copy(end, start)
	f, err := d.solver.solve(ctx, task, end)
	if err != nil {
		return f, err
	}
	if err := CheckFinite(d.solver.job.Net.Layout(), end); err != nil {
		return f, &DivergedError{task.Round, task.Shard, f.Steps, err.Error()}
	}
	return f, nil
}

func (d *double) add(share Share, end []float64) error {
	w := share.Weight.Float()
	for i, x := range end {
		d.sum[i] += float64(w * x)
	}
	d.weight += w
	return nil
}

func (d *double) finish(start, next []float64) error {
	for i, x := range d.sum {
		next[i] = x / d.weight
	}
	rule := d.algorithm.Rule.(PreciseRule)
	return finish(d.solver.job.Net.Layout(), rule, rule.StepFloat64, start, next)
}

// widened returns the block in numbers F, itself where it has them.
func widened[F kernel.Float](block []float32) []F {
	if same, is := any(block).([]F); is {
		return same
	}
	wide := make([]F, len(block))
	for i, x := range block {
		wide[i] = F(x)
	}
	return wide
}
