package localsteps

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// experiment makes rounds of a setting and keeps what each shard ended with.
type experiment[F kernel.Float] struct {
	*claims.Setting
	runner localsgd.RunnerIn[F]
	probes []*relu.Batch[F] // the whole shard, for each shard
}

func newExperiment[F kernel.Float](s *claims.Setting) *experiment[F] {
	x := &experiment[F]{Setting: s, runner: localsgd.RunnerIn[F]{Job: s.Job, Algorithm: s.Algorithm}}
	for _, examples := range s.Job.Shards {
		machine := relu.NewMachine[F](s.Job.Net, len(examples))
		x.probes = append(x.probes, localsgd.Fill(machine, s.Job.Data.Train, examples))
	}
	return x
}

func (x *experiment[F]) shards() int { return len(x.probes) }

// start returns the start model.
func (x *experiment[F]) start() []F {
	given := x.Job.Start()
	out := make([]F, len(given))
	for i, v := range given {
		out[i] = F(v)
	}
	return out
}

// round makes a round of all shards, which must be of one size, and returns their ends and the next model: their mean.
func (x *experiment[F]) round(ctx context.Context, number int, start []F) (ends [][]F, next []F, err error) {
	all := make([]int, x.shards())
	for k := range all {
		all[k] = k
		end := make([]F, len(start))
		if _, err := x.runner.Carry(ctx, x.Algorithm.PlanOf(x.Job, number, []int{k}, nil), start, end); err != nil {
			return nil, nil, fmt.Errorf("training shard %d: %w", k, err)
		}
		ends = append(ends, end)
	}
	next = make([]F, len(start))
	if _, err := x.runner.Carry(ctx, x.Algorithm.PlanOf(x.Job, number, all, nil), start, next); err != nil {
		return nil, nil, fmt.Errorf("averaging: %w", err)
	}
	return ends, next, nil
}

// divergence returns V, the mean over the shards of the squared distance of their ends to the mean (M6).
func divergence[F kernel.Float](ends [][]F, mean []F) float64 {
	sum := 0.0
	for _, end := range ends {
		sum += claims.Distance(end, mean) * claims.Distance(end, mean) / float64(len(ends))
	}
	return sum
}

// lossAt returns the mean loss over all shards.
func (x *experiment[F]) lossAt(params []F) float64 {
	sum, n := 0.0, 0
	for _, probe := range x.probes {
		machine := relu.NewMachine[F](x.Job.Net, probe.N)
		part, _ := machine.Evaluate(params, probe)
		sum, n = sum+part, n+probe.N
	}
	return sum / float64(n)
}

// drift returns the mean over the shards of ||grad F_k(end_k) - grad F_k(mean)||, on whole shards (M5).
func (x *experiment[F]) drift(ends [][]F, mean []F) float64 {
	drift, _ := x.driftAndRelative(ends, mean)
	return drift
}

// driftAndRelative returns drift and drift_rel (M5), which is a ratio of means.
func (x *experiment[F]) driftAndRelative(ends [][]F, mean []F) (drift, relative float64) {
	moved, size, none := 0.0, 0.0, make([]F, len(mean))
	for k, end := range ends {
		a, b := x.gradient(k, end), x.gradient(k, mean)
		d, g := claims.Distance(a, b), claims.Distance(b, none)
		drift += d / float64(len(ends))
		moved, size = moved+d*d, size+g*g
	}
	return drift, math.Sqrt(moved / size)
}

// gradient returns that of shard k's loss.
func (x *experiment[F]) gradient(k int, params []F) []F {
	machine := relu.NewMachine[F](x.Job.Net, x.probes[k].N)
	g := make(collected[F], len(params))
	machine.Probe(params, x.probes[k], g)
	return g
}

// collected is a relu.Sink that keeps a gradient.
type collected[F kernel.Float] []F

// Gradient implements relu.Sink.
func (g collected[F]) Gradient(offset int, part []F) { copy(g[offset:], part) }
