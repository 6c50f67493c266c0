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

// measureNoise says M14: "step_rel" of each weight by shard and as their mean, "round_rel" and "dist" of the round, "gradient_spread",
// "gradient_square" and "noise_scale" of each shard, and the means of the first two.
func measureNoise(ctx context.Context, m *measurement) error {
	const still = "the weight is 0 or a value is not finite"
	steps := m.seen[Noise].(*stepNoise)
	for i, k := range m.Shards {
		for _, c := range steps.tasks[i].Mean() {
			m.sayIf("step_rel", of(k).in(c.Name), c.Relative, still)
		}
	}
	for j, first := range steps.tasks[0].Mean() {
		var all []float64
		for _, task := range steps.tasks {
			if c := task.Mean()[j]; c.Relative != nil {
				all = append(all, *c.Relative)
			}
		}
		if len(all) == len(m.Shards) {
			m.say("step_rel", whole.in(first.Name), m.mean(all))
		}
	}
	changes := noise.Changes(m.layout(), m.start, m.next)
	for _, c := range changes {
		m.sayIf("round_rel", whole.against(Next).in(c.Name), c.Relative, still)
	}
	m.sayIf("round_rel", whole.against(Next), noise.Whole(m.layout(), m.start, m.next), "the model is 0")
	m.sayIf("dist", whole.against(Next), noise.Dist(changes), still)
	return m.sayGradientNoise(ctx)
}

func (m *measurement) sayGradientNoise(ctx context.Context) error {
	var spreads, squares []float64
	for _, k := range m.Shards {
		n, err := m.gradientNoise(ctx, k)
		if err != nil {
			return err
		}
		m.say("gradient_spread", of(k), n.Spread)
		m.say("gradient_square", of(k), n.Mean)
		m.sayIf("noise_scale", of(k), n.Scale, "noise hides the gradient")
		spreads, squares = append(spreads, n.Spread), append(squares, n.Mean)
	}
	m.say("gradient_spread", whole, m.mean(spreads))
	m.say("gradient_square", whole, m.mean(squares))
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
