package fedavg

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
)

// patience is how many times the paper's rounds a run is given before it counts as one that does not get there.
const patience = 1.5

// cell is one entry of a table of the paper.
type cell struct {
	spec     string // ID of the claim whose spec it changes
	name     string
	changes  []string
	paper    int // rounds
	rates    []float64
	evaluate int // rounds between evaluations
	threads  int
}

// run is a cell with one rate and seed.
type run struct {
	Rate   float64
	Seed   uint64
	Rounds float64 // to the target, interpolated
	Target float64
	Curve  [2][]float64 // rounds and test accuracy
	Got    bool         // the target was reached; otherwise Rounds is what the run was given
}

// result is what came of a cell: a run for each seed, at the best rate.
type result struct {
	cell
	rate float64
	Runs []run
}

// ratios returns rounds over the paper's rounds, by seed.
func (r *result) ratios() []float64 {
	out := make([]float64, len(r.Runs))
	for i, x := range r.Runs {
		out[i] = x.Rounds / float64(r.paper)
	}
	return out
}

// unreached returns how many runs never got to the target.
func (r *result) unreached() int {
	n := 0
	for _, x := range r.Runs {
		if !x.Got {
			n++
		}
	}
	return n
}

// best finds the rate with the fewest rounds on a seed. Where there is no choice nothing is run, and the run that is returned
// has a rate and no curve.
func (c cell) best(ctx context.Context, lab *claims.Lab, seed uint64) (run, error) {
	if len(c.rates) == 1 {
		return run{Rate: c.rates[0]}, nil
	}
	var best run
	limit := c.limit()
	for i, rate := range c.rates {
		r, err := c.once(ctx, lab, rate, seed, limit)
		if err != nil {
			return run{}, err
		}
		if i == 0 || r.Got {
			best = r // a later run that got there was given no more rounds than the best
		}
		if best.Got {
			limit = min(limit, int(math.Ceil(best.Rounds)))
		}
	}
	return best, nil
}

// limit is how many rounds a run is given.
func (c cell) limit() int { return int(patience * float64(c.paper)) }

// measureCells finds each cell's best rate on the first seed, and then runs the other seeds with it.
func measureCells(ctx context.Context, lab *claims.Lab, cells []cell, seeds []uint64) ([]*result, error) {
	results := make([]*result, len(cells))
	err := lab.Each(ctx, len(cells), func(ctx context.Context, i int) error {
		first, err := cells[i].best(ctx, lab, seeds[0])
		results[i] = &result{cell: cells[i], rate: first.Rate, Runs: make([]run, len(seeds))}
		results[i].Runs[0] = first
		return err
	})
	if err != nil {
		return nil, err
	}
	err = lab.Each(ctx, len(cells)*len(seeds), func(ctx context.Context, i int) error {
		r, k := results[i/len(seeds)], i%len(seeds)
		if k == 0 && r.Runs[0].Curve[0] != nil {
			return nil
		}
		done, err := r.once(ctx, lab, r.rate, seeds[k], r.limit())
		r.Runs[k] = done
		return err
	})
	return results, err
}

// once trains until the target is reached, or to the limit of rounds.
func (c cell) once(ctx context.Context, lab *claims.Lab, rate float64, seed uint64, limit int) (run, error) {
	changes := append([]string{fmt.Sprintf("local.optimizer.sgd.lr=%v", rate), fmt.Sprintf("seed=%d", seed)}, c.changes...)
	s, err := lab.Setting(c.spec, changes...)
	if err != nil {
		return run{}, err
	}
	target := s.Spec.StopAccuracy
	if target == 0 {
		return run{}, fmt.Errorf("%s: the spec has no stop.accuracy to count rounds to", c.spec)
	}
	out := run{Target: target, Rate: rate, Seed: seed, Rounds: float64(limit)}
	evaluator := localsgd.NewEvaluator(s.Job.Net, s.Job.Data.Test, c.threads)
	curve := crossing{target: target}
	round := 0
	runner := s.Runner()
	runner.Threads = c.threads
	_, err = runner.Run(ctx, limit, func(_ localsgd.RoundFacts, model []float32) error {
		round++
		if round%c.evaluate != 0 && round != limit {
			return nil
		}
		score, err := evaluator.Evaluate(ctx, model)
		if err != nil {
			return err
		}
		out.Curve[0], out.Curve[1] = append(out.Curve[0], float64(round)), append(out.Curve[1], score.Accuracy)
		if at, ok := curve.add(float64(round), score.Accuracy); ok {
			out.Rounds, out.Got = at, true
			return localsgd.ErrStop
		}
		return nil
	})
	if err != nil {
		return run{}, fmt.Errorf("running %s at rate %v, seed %d: %w", c.name, rate, seed, err)
	}
	if out.Got {
		lab.Say("%s, lr %v, seed %d: %.0f rounds (paper %d)", c.name, rate, seed, math.Ceil(out.Rounds), c.paper)
	}
	return out, nil
}

// crossing reads from a curve, point by point, where its best so far first reaches the target, interpolating linearly.
type crossing struct {
	target       float64
	round, best  float64
	pointsBefore bool
}

func (c *crossing) add(round, accuracy float64) (at float64, reached bool) {
	if accuracy < c.target {
		c.round, c.best, c.pointsBefore = round, max(c.best, accuracy), true
		return 0, false
	}
	if !c.pointsBefore || accuracy == c.best {
		return round, true
	}
	return c.round + (round-c.round)*(c.target-c.best)/(accuracy-c.best), true
}
