package selfcheck

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// With one step of each shard on all of its examples, the weighted mean of the ends is a step on the joined examples: the
// mean of gradients is the gradient of the mean. In float32 a single round is compared, after which both sides have seen
// the same outputs, bit for bit, and differ in the order of their sums alone.
var (
	joinedProperty = property{
		name:     "a step on K shards is one on the joined data",
		expected: fmt.Sprintf("float64: %.0e of the tensor's largest", joinedDouble),
		reason:   (*Subject).notLinear,
		measure:  measureJoined,
	}
	joinedSingleProperty = property{
		name:     "a step on K shards, in float32",
		expected: fmt.Sprintf("%.0e of the tensor's largest", joinedSingle),
		reason:   (*Subject).notLinear,
		measure:  measureJoinedSingle,
	}
)

const (
	joinedDouble = 1e-10
	joinedSingle = 2e-5 // float32 rounds to 6e-8; a gradient is a sum of up to some 1e5 terms
	joinedRounds = 2
)

// notLinear says why a step is not linear in the gradient, or the gradient not in the examples.
func (s *Subject) notLinear() string {
	l := s.job.Local
	return reasons(
		when(len(s.job.Shards) == 1, "there is one shard"),
		when(s.job.Net.LeastBatch() > 1, "batch norm normalises by the batch, and the joined batch is another one"),
		when(l.AdamW != nil, "a step of adamw is not linear in the gradient"),
		when(l.ClipNorm > 0 || l.ClipUpdate > 0, "clipping is not linear in the gradient"),
		when(len(l.Personal) > 0 || l.FedBN, "personal tensors are not averaged"),
	)
}

// joined returns the two sides: the shards, and one shard of all their examples.
func (s *Subject) joined() (apart, whole *setting, err error) {
	one := func(job *localsgd.Job) {
		job.Local.Schedule = shard.Schedule{Order: shard.Sequential, Steps: 1}
		job.Local.KeepState = false // each round is one step
	}
	if apart, err = s.plain(one); err != nil {
		return nil, nil, err
	}
	all := slices.Concat(s.job.Shards...)
	slices.Sort(all)
	whole, err = s.plain(func(job *localsgd.Job) {
		one(job)
		job.Shards = shard.Shards{all}
	})
	return apart, whole, err
}

func measureJoined(ctx context.Context, s *Subject, c *code) (finding, error) {
	f, err := compareJoined(ctx, s, c.roundsDouble, joinedRounds)
	f.holds = f.holds && f.worst <= joinedDouble
	return f.finding, err
}

func measureJoinedSingle(ctx context.Context, s *Subject, c *code) (finding, error) {
	f, err := compareJoined(ctx, s, c.rounds, 1)
	f.holds = f.holds && f.worst <= joinedSingle
	return f.finding, err
}

// distance is a finding about the distance of two models.
type distance struct {
	finding
	worst float64
}

// compareJoined makes the rounds on both sides. Its finding holds if training did anything.
func compareJoined[F kernel.Float](ctx context.Context, s *Subject,
	rounds func(context.Context, *localsgd.Job, localsgd.Algorithm, int) ([]F, error), n int) (distance, error) {
	apart, whole, err := s.joined()
	if err != nil {
		return distance{}, err
	}
	got, err := rounds(ctx, apart.job, apart.algorithm, n)
	if err != nil {
		return distance{}, err
	}
	want, err := rounds(ctx, whole.job, whole.algorithm, n)
	if err != nil {
		return distance{}, err
	}
	worst, where := relative(s.job.Net.Layout(), got, want)
	d := distance{worst: worst}
	d.measured, d.holds = fmt.Sprintf("%.1e (%s)", worst, where), true
	d.detail = s.underFedAvg(fmt.Sprintf("%d shards of %d examples in all, %s", len(apart.job.Shards), len(whole.job.Shards[0]), plural(n, "round")))
	return d, nil
}

// relative returns the largest difference of two models' parameters, relative to the largest of their tensor, and its tensor.
func relative[F kernel.Float](layout *tensor.Layout, got, want []F) (worst float64, where string) {
	for i := range layout.Len() {
		v := layout.At(i)
		largest, off := 0.0, 0.0
		for j, w := range tensor.Of(want, v) {
			largest = max(largest, math.Abs(float64(w)))
			off = max(off, math.Abs(float64(w)-float64(got[v.Offset+j])))
		}
		if off > 0 {
			off /= largest
		}
		if !(off <= worst) || where == "" {
			worst, where = off, v.Name
		}
	}
	return worst, where
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
