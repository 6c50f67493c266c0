package localsgd

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Precision is what local steps are computed in.
type Precision int

// The precisions. Float64 runs the same code over the portable kernels: for exact identities, and as the oracle of Float32.
const (
	Float32 Precision = iota
	Float64
)

// solver makes the local steps of tasks in place, in the precision of F. It allocates nothing in a step.
type solver[F kernel.Float] struct {
	job     *Job
	machine *relu.Machine[F]
	walk    shard.Walk
	opt     *optimizer[F]

	state    *shardState
	origin   []F            // the parameters as the task begins, where something refers to them
	controls []F            // c - c_i, with control variates
	whole    *wholeGradient // with those of option 1
	flips    []bool         // by shard, whose labels are flipped; nil: none

	watch func(step int, params []F) // nil: nobody
}

func newSolver[F kernel.Float](job *Job) *solver[F] {
	state, err := job.shardState()
	if err != nil {
		panic("localsgd: a job that was not checked: " + err.Error())
	}
	s := &solver[F]{job: job, machine: relu.NewMachine[F](job.Net, job.maxBatch()), opt: newOptimizer[F](job.Net, job.Local), state: state}
	if _, flips := job.Byzantine.Attack.(LabelFlip); flips {
		s.flips = job.attackers()
	}
	n, l := job.Net.Parameters(), job.Local
	if l.ProxMu != 0 || l.Controls != 0 {
		s.origin = make([]F, n)
	}
	if l.Controls != 0 {
		s.controls = make([]F, n)
	}
	if l.Controls == 1 {
		s.whole = &wholeGradient{sum: make([]float64, n)}
	}
	return s
}

// solve makes the task's steps on params, which are the start before and the end after. It returns a *DivergedError for a
// loss that is not finite, or the context's error when that ends it between two steps.
func (s *solver[F]) solve(ctx context.Context, task Task, params []F) (Facts, error) {
	s.begin(task, params)
	return s.hold(ctx, task, params)
}

// begin makes the solver ready for a task on params.
func (s *solver[F]) begin(task Task, params []F) {
	s.opt.reset(task.Round, params)
	schedule, steps := s.job.walkOf(task)
	s.walk.Reset(s.job.Seed, task.Round, task.Shard, s.job.Shards[task.Shard], schedule)
	s.walk.Limit(steps)
	copy(s.origin, params)
	if c := s.opt.correct; c != nil {
		c.params, c.origin, c.controls = params, s.origin, s.controls
	}
}

// hold makes the steps while the machine holds the parameters, if all updates come during the backward pass.
func (s *solver[F]) hold(ctx context.Context, task Task, params []F) (Facts, error) {
	if s.opt.clip == nil {
		s.machine.Hold(params)
		defer s.machine.Release(params)
	}
	return s.steps(ctx, task, params)
}

// steps makes all steps of the task.
func (s *solver[F]) steps(ctx context.Context, task Task, params []F) (f Facts, err error) {
	for examples := s.walk.Next(); examples != nil; examples = s.walk.Next() {
		if err := ctx.Err(); err != nil {
			return f, fmt.Errorf("training shard %d in round %d: %w", task.Shard, task.Round, err)
		}
		loss := s.machine.Backward(params, s.fill(task.Shard, examples), s.opt.begin())
		s.opt.finish()
		f.Steps++
		f.Examples += len(examples)
		f.LossSum += loss
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return f, &DivergedError{task.Round, task.Shard, f.Steps, fmt.Sprintf("the loss is %g", loss)}
		}
		if s.watch != nil {
			s.show(f.Steps, params)
		}
	}
	return f, nil
}

// show shows the parameters after a step.
func (s *solver[F]) show(step int, params []F) {
	if s.opt.clip == nil { // see hold
		s.machine.Write(params)
	}
	s.watch(step, params)
}
