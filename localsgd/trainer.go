package localsgd

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
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
// nothing in a step. One goroutine uses it.
type Trainer struct {
	job     *Job
	machine *relu.Machine[float32]
	walk    shard.Walk
	opt     *optimizer
}

// NewTrainer returns a trainer for the job's tasks.
func NewTrainer(job *Job) *Trainer {
	return &Trainer{job: job, machine: relu.NewMachine[float32](job.Net, job.maxBatch()), opt: newOptimizer(job.Net, job.Local)}
}

// Train makes the task's local steps from start and leaves the end parameters in end; the two must not overlap. grid is
// that of start. It returns a *DivergedError, or the context's error when that ends it between two steps; end is then
// of no use.
func (t *Trainer) Train(ctx context.Context, task Task, grid *Grid, start, end []float32) (Facts, error) {
	copy(end, start)
	t.opt.reset(task.Round, end)
	t.walk.Reset(t.job.Seed, task.Round, task.Shard, t.job.Shards[task.Shard], t.job.schedule())
	f, err := t.hold(ctx, task, end)
	if err != nil {
		return f, err
	}
	if err := grid.Check(end); err != nil {
		return f, &DivergedError{task.Round, task.Shard, f.Steps, err.Error()}
	}
	return f, nil
}

// hold makes the task's steps while the machine holds the parameters, if all updates come during the backward pass.
func (t *Trainer) hold(ctx context.Context, task Task, end []float32) (Facts, error) {
	if t.opt.clip == nil {
		t.machine.Hold(end)
		defer t.machine.Release(end)
	}
	return t.steps(ctx, task, end)
}

// steps makes all steps of the task on the parameters in end.
func (t *Trainer) steps(ctx context.Context, task Task, end []float32) (f Facts, err error) {
	for examples := t.walk.Next(); examples != nil; examples = t.walk.Next() {
		if err := ctx.Err(); err != nil {
			return f, fmt.Errorf("training shard %d in round %d: %w", task.Shard, task.Round, err)
		}
		loss := t.machine.Backward(end, Fill(t.machine, t.job.Data.Train, examples), t.opt.begin())
		t.opt.finish()
		f.Steps++
		f.Examples += len(examples)
		f.LossSum += loss
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return f, &DivergedError{task.Round, task.Shard, f.Steps, fmt.Sprintf("the loss is %g", loss)}
		}
	}
	return f, nil
}

// Task names a piece of work: one shard's local training in one round.
type Task struct {
	Round, Shard int
}

// CheckFinite returns a *RangeError for the first value of a model that is NaN or infinite.
func CheckFinite(layout *tensor.Layout, block []float32) error {
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
