package selfcheck

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// code is what is under test, as functions that the tests replace by broken ones.
type code struct {
	// backward hands the gradient of a batch's loss to sink, and returns the loss.
	backward func(m *relu.Machine[float64], params []float64, b *relu.Batch[float64], sink relu.Sink[float64]) float64
	// rounds returns the model after so many rounds.
	rounds       func(ctx context.Context, job *localsgd.Job, a localsgd.Algorithm, rounds int) ([]float32, error)
	roundsDouble func(ctx context.Context, job *localsgd.Job, a localsgd.Algorithm, rounds int) ([]float64, error)
	// goOn makes the rounds up to the given number from a state, nil is the start, and returns the state then.
	goOn func(ctx context.Context, s *setting, from *localsgd.RunState[float32], rounds int) (localsgd.RunState[float32], error)
	// goOnAsync is goOn for an asynchronous rule, with updates that come in as localsgd.Timeline has it. It returns them too.
	goOnAsync func(ctx context.Context, s *setting, from *localsgd.AsyncState, rounds int) (localsgd.AsyncState, [][]localsgd.Arrival, error)
	// carry makes the rounds of these updates, from the start.
	carry func(ctx context.Context, s *setting, rounds [][]localsgd.Arrival) (localsgd.AsyncState, error)
	// task makes a task.
	task func(ctx context.Context, t *localsgd.Trainer, task localsgd.Task, g *localsgd.Grid, b localsgd.Blocks) (localsgd.Facts, error)
	// mean averages updates that come in groups, each of which is summed apart before the groups are.
	mean func(g *localsgd.Grid, groups [][]update) ([]float32, error)
	// plan returns the tasks of a round with their weights.
	plan func(s *setting, round int) localsgd.Plan
	// evaluate scores a model on so many goroutines.
	evaluate func(ctx context.Context, net *relu.Network, set *shard.Set, parallel int, model []float32) (localsgd.Score, error)
}

// setting is a job and what makes rounds of its tasks.
type setting struct {
	job       *localsgd.Job
	algorithm localsgd.Algorithm
}

// update is what a task ends with.
type update struct {
	localsgd.Share
	end []float32
}

// theCode is what runs are made with.
func theCode() *code {
	return &code{
		backward: func(m *relu.Machine[float64], params []float64, b *relu.Batch[float64], sink relu.Sink[float64]) float64 {
			return m.Backward(params, b, sink)
		},
		rounds: func(ctx context.Context, job *localsgd.Job, a localsgd.Algorithm, rounds int) ([]float32, error) {
			return (&localsgd.Runner{Job: job, Algorithm: a}).Run(ctx, rounds, nil)
		},
		roundsDouble: func(ctx context.Context, job *localsgd.Job, a localsgd.Algorithm, rounds int) ([]float64, error) {
			return (&localsgd.RunnerIn[float64]{Job: job, Algorithm: a}).Run(ctx, rounds, nil)
		},
		goOn: goOn, goOnAsync: goOnAsync, carry: carry,
		task: func(ctx context.Context, t *localsgd.Trainer, task localsgd.Task, g *localsgd.Grid, b localsgd.Blocks) (localsgd.Facts, error) {
			return t.Train(ctx, task, g, b)
		},
		mean: mean,
		plan: func(s *setting, round int) localsgd.Plan { return s.algorithm.Plan(s.job, round) },
		evaluate: func(ctx context.Context, net *relu.Network, set *shard.Set, parallel int, model []float32) (localsgd.Score, error) {
			return localsgd.NewEvaluator(net, set, parallel).Evaluate(ctx, model)
		},
	}
}

func goOn(ctx context.Context, s *setting, from *localsgd.RunState[float32], rounds int) (localsgd.RunState[float32], error) {
	r := &localsgd.Runner{Job: s.job, Algorithm: s.algorithm}
	if from != nil {
		if err := r.Resume(*from); err != nil {
			return localsgd.RunState[float32]{}, err
		}
	}
	_, err := r.Run(ctx, rounds, nil)
	return r.State(), err
}

func mean(g *localsgd.Grid, groups [][]update) ([]float32, error) {
	total := localsgd.NewSum(g)
	for _, group := range groups {
		part := localsgd.NewSum(g)
		for _, u := range group {
			if err := part.Add(u.Share, u.end); err != nil {
				return nil, fmt.Errorf("adding shard %d: %w", u.Shard, err)
			}
		}
		if err := total.Merge(part); err != nil {
			return nil, fmt.Errorf("merging partial sums: %w", err)
		}
	}
	dst := make([]float32, g.Layout().Size())
	return dst, total.Mean(dst)
}

// opening is the first round of a setting before its tasks.
type opening struct {
	*setting
	start []float32
	grid  *localsgd.Grid
	plan  localsgd.Plan
}

func (c *code) open(s *setting) *opening {
	start := s.algorithm.Start(s.job)[:s.job.Layout().Size()]
	return &opening{s, start, localsgd.NewGrid(s.job.Layout(), start), c.plan(s, 1)}
}

// train makes the i-th task of the round, of a shard that has no state yet.
func (c *code) train(ctx context.Context, t *localsgd.Trainer, o *opening, i int) (update, error) {
	u := update{o.plan.Tasks[i].Share, make([]float32, len(o.start))}
	b := localsgd.Blocks{Start: o.start, End: u.end}
	if n := o.job.ShardState().Size(); n > 0 {
		b.Next = make([]float32, n)
	}
	_, err := c.task(ctx, t, o.plan.Task(i), o.grid, b)
	return u, err
}

// trainAll makes every task of the round, one after the other.
func (c *code) trainAll(ctx context.Context, o *opening) ([]update, error) {
	trainer := localsgd.NewTrainer(o.job)
	updates := make([]update, len(o.plan.Tasks))
	var err error
	for i := range updates {
		if updates[i], err = c.train(ctx, trainer, o, i); err != nil {
			return nil, err
		}
	}
	return updates, nil
}
