package localsgd

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Facts is what a task tells about itself beside its end parameters.
type Facts struct {
	Steps    int
	Examples int     // taken by the steps, repetitions included
	LossSum  float64 // sum over the steps of their batch's mean loss
}

// ErrDiverged is wrapped by a *DivergedError.
var ErrDiverged = errors.New("diverged")

// DivergedError says at which step of which task NaN, Inf or a value out of range was first seen. The same task diverges
// everywhere, so trying it again is of no use.
type DivergedError struct {
	Round, Shard, Step int
	Detail             string
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("shard %d %v in round %d at step %d: %s", e.Shard, ErrDiverged, e.Round, e.Step, e.Detail)
}

func (e *DivergedError) Unwrap() error { return ErrDiverged }

// Trainer carries out tasks, one at a time. It holds a network's scratch memory and an optimizer's state, and allocates
// nothing in a step. Start and end parameters are float32 whatever Job.Precision is: with Float64 all steps work on a
// float64 copy of the start, and the end is rounded once. One goroutine uses it.
type Trainer struct {
	job    *Job
	single *solver[float32] // one of the two
	double *solver[float64]
	block  []float64 // of double
	state  *shardState

	attackers []bool // by shard; nil: none
}

// NewTrainer returns a trainer for the job's tasks.
func NewTrainer(job *Job) *Trainer {
	if job.Precision == Float64 {
		double := newSolver[float64](job)
		return &Trainer{job: job, double: double, block: make([]float64, job.Net.Parameters()), state: double.state, attackers: job.attackers()}
	}
	single := newSolver[float32](job)
	return &Trainer{job: job, single: single, state: single.state, attackers: job.attackers()}
}

// Join lets the members of a team who have nothing else to do share the trainer's large products: see relu.Machine.Join.
func (t *Trainer) Join(team *kernel.Team) {
	if t.single != nil {
		t.single.machine.Join(team)
		return
	}
	t.double.machine.Join(team)
}

// Watch shows see the parameters after every local step, counted from 1, of every task from now on; nil ends it. They are in the
// order of Job.Net.Layout, rounded to float32 where the job's precision is another, those after the last step without
// Local.ClipUpdate and attacks, valid during the call, and must not be changed. It changes no bit of what is trained, and costs
// nothing when nobody watches; when somebody does, a copy of the parameters from the kernels' order in every step.
func (t *Trainer) Watch(see func(step int, params []float32)) {
	switch {
	case t.single != nil:
		t.single.watch = see
	case see == nil:
		t.double.watch = nil
	default:
		rounded := make([]float32, len(t.block))
		t.double.watch = func(step int, params []float64) {
			convert(rounded, params)
			see(step, rounded)
		}
	}
}

// WatchActivations shows the activations of every batch that is trained on from now on, see relu.Machine.Watch, to one of two
// watchers: the one in the job's precision. nil ends it.
func (t *Trainer) WatchActivations(single relu.Watcher[float32], double relu.Watcher[float64]) {
	if t.single != nil {
		t.single.machine.Watch(single)
		return
	}
	t.double.machine.Watch(double)
}

// Blocks are what a task works on. They must not overlap.
type Blocks struct {
	Start []float32 // the round's, with Job.Layout; only read
	End   []float32 // gets the update, with the same layout
	State []float32 // the shard's, with Job.ShardState, nil where it has none yet; only read
	Next  []float32 // gets the shard's state after the task; nil where the job keeps none
}

// Train makes the task's local steps. grid is that of b.Start. It returns a *DivergedError, or the context's error when
// that ends it between two steps; b.End and b.Next are then of no use.
func (t *Trainer) Train(ctx context.Context, task Task, grid *Grid, b Blocks) (Facts, error) {
	f, err := t.solve(ctx, task, b)
	if err != nil {
		return f, err
	}
	t.falsify(task, grid, b)
	if err := grid.Check(b.End); err != nil {
		return f, &DivergedError{task.Round, task.Shard, f.Steps, err.Error()}
	}
	if err := CheckFinite(t.state.layout, b.Next); err != nil {
		return f, &DivergedError{task.Round, task.Shard, f.Steps, err.Error()}
	}
	return f, nil
}

func (t *Trainer) solve(ctx context.Context, task Task, b Blocks) (Facts, error) {
	n := t.job.Net.Parameters()
	if t.single != nil {
		copy(b.End[:n], b.Start)
		return t.single.task(ctx, task, b, b.End[:n])
	}
	convert(t.block, b.Start)
	f, err := t.double.task(ctx, task, b, t.block)
	convert(b.End[:n], t.block)
	return f, err
}

// CheckFinite returns a *RangeError for the first value of a model that is NaN or infinite.
func CheckFinite[F kernel.Float](layout *tensor.Layout, block []F) error {
	for i := range layout.Len() {
		v := layout.At(i)
		for j, x := range tensor.Of(block, v) {
			if x-x != 0 {
				return &RangeError{Tensor: v.Name, Index: j, Value: float64(x), Limit: math.MaxFloat32}
			}
		}
	}
	return nil
}
