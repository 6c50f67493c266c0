package study

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// stepNoise collects the relative changes of the steps of each task.
type stepNoise struct {
	layout *tensor.Layout
	tasks  []*noise.Steps
}

func observeSteps(m *measurement) observer { return &stepNoise{layout: m.layout()} }

func (s *stepNoise) task(int) { s.tasks = append(s.tasks, &noise.Steps{}) }

func (s *stepNoise) step(_ int, _ bool, before, after []float32) error {
	s.tasks[len(s.tasks)-1].Add(noise.Changes(s.layout, before, after))
	return nil
}

// measureNoise says M14: "step_rel" of each weight by shard and as their mean, "round_rel" of the round, "dist" where it is an epoch, and
// "gradient_spread", "gradient_square" and "noise_scale" of each shard and as their means.
func measureNoise(ctx context.Context, m *measurement) error {
	const still = "the weight is 0 or a value is not finite"
	steps := m.seen[Noise].(*stepNoise)
	for i, k := range m.Shards {
		for _, c := range steps.tasks[i].Mean() {
			m.sayIf("step_rel", of(k).in(c.Name), c.Relative, still)
		}
	}
	for j, first := range steps.tasks[0].Mean() {
		var all []*float64
		for _, task := range steps.tasks {
			all = append(all, task.Mean()[j].Relative)
		}
		m.sayMean("step_rel", whole.in(first.Name), all)
	}
	changes := noise.Changes(m.layout(), m.start, m.next)
	for _, c := range changes {
		m.sayIf("round_rel", whole.against(Next).in(c.Name), c.Relative, still)
	}
	m.sayIf("round_rel", whole.against(Next), noise.Whole(m.layout(), m.start, m.next), "the model is 0")
	if reason := m.noEpoch(); reason != "" {
		m.miss("dist", reason)
	} else {
		m.sayIf("dist", whole.against(Next), noise.Dist(changes), still)
	}
	return m.sayGradientNoise(ctx)
}

// noEpoch returns why the round is not one pass over the training set, whose relative change M14's Dist is; empty if it is.
func (m *measurement) noEpoch() string {
	if len(m.Plan.Tasks) < len(m.Job.Shards) {
		return fmt.Sprintf("the round is no epoch: %d of %d shards take part", len(m.Plan.Tasks), len(m.Job.Shards))
	}
	schedule := m.Job.Local.Schedule
	schedule.Join = m.net().LeastBatch() > 1
	for i, t := range m.Plan.Tasks {
		n := len(m.Job.Shards[t.Shard])
		switch {
		case n == 0:
			return fmt.Sprintf("this process does not know how large shard %d is", t.Shard)
		case schedule.TotalExamples(n) != n || m.Job.Steps(m.Plan.Task(i)) != schedule.TotalSteps(n):
			return fmt.Sprintf("the round is no epoch: shard %d takes another number of examples than its %d", t.Shard, n)
		}
	}
	return ""
}

func (m *measurement) sayGradientNoise(ctx context.Context) error {
	var spreads, squares []float64
	var scales []*float64
	for _, k := range m.Shards {
		n, err := m.gradientNoise(ctx, k)
		if err != nil {
			return err
		}
		m.say("gradient_spread", of(k), n.Spread)
		m.say("gradient_square", of(k), n.Mean)
		m.sayIf("noise_scale", of(k), n.Scale, "noise hides the gradient")
		spreads, squares, scales = append(spreads, n.Spread), append(squares, n.Mean), append(scales, n.Scale)
	}
	m.say("gradient_spread", whole, m.mean(spreads))
	m.say("gradient_square", whole, m.mean(squares))
	m.sayMean("noise_scale", whole, scales)
	return nil
}

// noiseBatch returns the size of the batches whose gradients show a shard's noise.
func (m *measurement) noiseBatch(k int) int {
	n := len(m.Job.Shards[k])
	return min(m.batch(n), n)
}

// gradientNoise measures the spread of a shard's mini-batch gradients at the round's start, once.
func (m *measurement) gradientNoise(ctx context.Context, k int) (*noise.Noise, error) {
	if n, ok := m.noises[k]; ok {
		return n, nil
	}
	examples, size := m.Job.Shards[k], m.noiseBatch(k)
	machine := relu.NewMachine[float32](m.net(), size)
	spread, g := noise.NewSpread(len(m.start)), make(collected, len(m.start))
	for _, batch := range noise.Draw(m.Job.Seed, m.Plan.Round, k, len(examples), size) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("gradients of shard %d: %w", k, err)
		}
		chosen := make([]int32, len(batch))
		for i, at := range batch {
			chosen[i] = examples[at]
		}
		machine.Probe(m.start, localsgd.Fill(machine, m.Job.Data.Train, chosen), &g)
		spread.Add(g)
	}
	m.noises[k] = spread.Noise(size)
	return m.noises[k], nil
}

// collected is a block that collects a gradient.
type collected []float32

// Gradient implements relu.Sink.
func (c *collected) Gradient(offset int, part []float32) { copy((*c)[offset:], part) }
