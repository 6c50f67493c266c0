package averagingrank

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// The bounds of P1.12a: differences of averages over H, relative to their norm, and what the negative controls have to exceed.
const (
	invariant64 = 1e-12
	invariant32 = 1e-5
	varied      = 1e-3
)

// invarianceSteps are the local steps between averages; the first one is what others are compared with.
var invarianceSteps = []int{1, 2, 5, 10, 20, 50, 100}

// arm is a way to give a linear problem to the workers. All of them have targets of their own.
type arm struct {
	name      string
	batch     bool // mini-batches of the spec's size, in the order of each worker's examples; otherwise its whole shard
	permuted  bool // each worker has the same inputs in an order of its own
	different bool // each worker has inputs of its own
	invariant bool // the same second moment on all workers at every step
}

var arms = []arm{
	{name: "equal inputs, whole shards", invariant: true},
	{name: "equal inputs, the same mini-batches", batch: true, invariant: true},
	{name: "equal inputs, independent mini-batches", batch: true, permuted: true},
	{name: "different inputs, whole shards", different: true},
}

// invariance is P1.12a: where all workers have the same second moment at every step, the average of a linear model does not depend
// on H.
func invariance(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	s, err := lab.Setting("P1.12a")
	if err != nil {
		return nil, err
	}
	var outcomes []*claims.Outcome
	var points []drifted
	measured := ""
	total := s.Spec.Rounds * s.Job.Local.Schedule.Steps
	steps := dividing(total)
	for _, a := range arms {
		in64, err := a.measure64(ctx, s, steps, total)
		if err != nil {
			return nil, err
		}
		in32, err := a.measure32(ctx, s, steps, total)
		if err != nil {
			return nil, err
		}
		points = append(points, in64...)
		worst64, worst32 := worstOf(in64), worstOf(in32)
		measured += fmt.Sprintf("%s %.1e (float32 %.1e); ", a.name, worst64.Value(), worst32.Value())
		if a.invariant {
			outcomes = append(outcomes, worst64.Test(invariant64), worst32.Test(invariant32))
			continue
		}
		control := claims.TestBound(-min(worst64.Value(), worst32.Value()), -varied)
		control.Why = fmt.Sprintf("negative control, %s: %s", a.name, control.Why)
		outcomes = append(outcomes, control)
	}
	o := claims.All(outcomes...)
	o.Setup = fmt.Sprintf("linear regression, %d inputs, %d examples a worker, K=%d, %d local steps, H %v, targets of each worker's own",
		s.Job.Net.Inputs(), s.Job.Data.Train.Len(), len(s.Job.Shards), total, steps)
	o.Predicted = "relative difference of the averages 0 with equal second moments, not with others"
	o.Measured = measured[:len(measured)-2]
	nets, err := networkDrift(ctx, lab)
	if err != nil {
		return nil, err
	}
	drawInvariance(lab, append(points, nets...))
	return o, nil
}

// drifted is the average of a run beside that of the same draws under H = 1.
type drifted struct {
	name       string
	steps      int     // H
	deviation  float64 // ||average - average under H = 1|| / ||average under H = 1||
	divergence float64 // sqrt(V)/||average|| at the end of the last round
}

// dividing returns the local steps whose rounds come to the total.
func dividing(total int) []int {
	return slices.DeleteFunc(slices.Clone(invarianceSteps), func(h int) bool { return total%h != 0 })
}

// worstOf is over all but the first, with which the others are compared.
func worstOf(points []drifted) (worst claims.Worst) {
	for _, p := range points[min(1, len(points)):] {
		worst.Add(p.deviation)
	}
	return worst
}

func (a arm) measure64(ctx context.Context, s *claims.Setting, steps []int, total int) ([]drifted, error) {
	return overSteps(ctx, a.name, steps, func(h int) *localsgd.RunnerIn[float64] { return a.deal(s, h).Runner64() }, total)
}

func (a arm) measure32(ctx context.Context, s *claims.Setting, steps []int, total int) ([]drifted, error) {
	return overSteps(ctx, a.name, steps, func(h int) *localsgd.Runner { return a.deal(s, h).Runner() }, total)
}

// overSteps runs the same draws with each H and compares the averages after all local steps.
func overSteps[F float32 | float64](ctx context.Context, name string, steps []int, runner func(h int) *localsgd.RunnerIn[F], total int) ([]drifted, error) {
	var reference []F
	var out []drifted
	for i, h := range steps {
		r := runner(h)
		rounds := max(1, total/h)
		if _, err := r.Run(ctx, rounds-1, nil); err != nil {
			return nil, err
		}
		start := r.State().Block
		model := make([]F, len(start))
		if _, err := r.Round(ctx, rounds, start, model); err != nil {
			return nil, err
		}
		v, err := divergence(ctx, r, rounds, start, model)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			reference = slices.Clone(model)
		}
		out = append(out, drifted{name, h, claims.Distance(model, reference) / length(reference), v})
	}
	return out, nil
}

// divergence returns sqrt(V)/||mean|| of a round, from its tasks made again.
func divergence[F float32 | float64](ctx context.Context, r *localsgd.RunnerIn[F], round int, start, mean []F) (float64, error) {
	v, next := 0.0, make([]F, len(start))
	plan := r.Algorithm.Plan(r.Job, round)
	for _, task := range plan.Tasks {
		if _, err := r.Carry(ctx, r.Algorithm.PlanOf(r.Job, round, []int{task.Shard}, nil), start, next); err != nil {
			return 0, err
		}
		d := claims.Distance(next, mean)
		v += task.Weight.Float() * d * d
	}
	return math.Sqrt(v) / length(mean), nil
}

func length[F float32 | float64](a []F) float64 { return claims.Distance(a, make([]F, len(a))) }

// deal returns the setting with a training set for each worker, made of the spec's, and H local steps.
func (a arm) deal(s *claims.Setting, h int) *claims.Setting {
	job := *s.Job
	base, k := job.Data.Train, len(job.Shards)
	set := &shard.Set{Shape: base.Shape, Outputs: base.Outputs, N: k * base.N}
	job.Shards = make(shard.Shards, k)
	for worker := range k {
		a.give(set, base, keyed.New(job.Seed, "invariance", uint64(worker)), a.order(job.Seed, worker, base.N))
		for i := range base.N {
			job.Shards[worker] = append(job.Shards[worker], int32(worker*base.N+i))
		}
	}
	job.Data = shard.Data{Train: set, Test: set}
	job.Local.Schedule = shard.Schedule{Order: shard.Cyclic, Steps: h}
	if a.batch {
		job.Local.Schedule.Batch = s.Job.Local.Schedule.Batch
	}
	return &claims.Setting{Spec: s.Spec, Job: &job, Algorithm: s.Algorithm}
}

// give adds a worker's examples to the set.
func (a arm) give(set, base *shard.Set, stream *keyed.Stream, order []int) {
	slope := normals(stream, base.Size()*base.Outputs)
	for _, example := range order {
		x := make([]float32, base.Size())
		base.Features(x, example)
		if a.different {
			for j, v := range normals(stream, len(x)) {
				x[j] = float32(v / math.Sqrt(float64(len(x))))
			}
		}
		set.Values = append(set.Values, x...)
		set.Targets = append(set.Targets, own(base.Targets[example*base.Outputs:][:base.Outputs], x, slope)...)
	}
}

func normals(stream *keyed.Stream, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = stream.Normal()
	}
	return out
}

// own returns targets with a linear map of the worker's own added.
func own(targets, x []float32, slope []float64) []float32 {
	out := slices.Clone(targets)
	for o := range out {
		for j, v := range x {
			out[o] += float32(slope[o*len(x)+j] * float64(v))
		}
	}
	return out
}

// order returns the order of a worker's examples.
func (a arm) order(seed uint64, worker, n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if a.permuted {
		for i, j := range keyed.New(seed, "invariance/order", uint64(worker)).Perm(n) {
			order[i] = int(j)
		}
	}
	return order
}
