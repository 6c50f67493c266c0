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
}

func newSolver[F kernel.Float](job *Job) *solver[F] {
	return &solver[F]{job: job, machine: relu.NewMachine[F](job.Net, job.maxBatch()), opt: newOptimizer[F](job.Net, job.Local)}
}

// solve makes the task's steps on params, which are the start before and the end after. It returns a *DivergedError for a
// loss that is not finite, or the context's error when that ends it between two steps.
func (s *solver[F]) solve(ctx context.Context, task Task, params []F) (Facts, error) {
	s.opt.reset(task.Round, params)
	s.walk.Reset(s.job.Seed, task.Round, task.Shard, s.job.Shards[task.Shard], s.job.schedule())
	// The machine may hold the parameters if all updates come during the backward pass.
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
		loss := s.machine.Backward(params, Fill(s.machine, s.job.Data.Train, examples), s.opt.begin())
		s.opt.finish()
		f.Steps++
		f.Examples += len(examples)
		f.LossSum += loss
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return f, &DivergedError{task.Round, task.Shard, f.Steps, fmt.Sprintf("the loss is %g", loss)}
		}
	}
	return f, nil
}
