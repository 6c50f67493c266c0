package checkpoints

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// sayGradients says what gradients of the loss at a model are like on the training set.
func (m *meter) sayGradients(ctx context.Context, at Place, block []float32) error {
	m.sayIf("gradient_norm", at, m.subject.gradient(block))
	if err := m.sayNoise(ctx, at, block); err != nil {
		return err
	}
	return m.sayHeterogeneity(ctx, at, block)
}

// gradient returns the norm of the gradient on the probe, nil where it is not finite.
func (s *Subject) gradient(block []float32) *float64 {
	machine, batch := s.probe()
	sample, err := analysis.NewMeasurer(s.job.Net.Layout(), machine).Measure(0, block, block, batch)
	if err != nil {
		return nil
	}
	return &sample.NormEnd
}

// sayNoise says M14 of batches of the whole training set, drawn as for round 0 and shard 0 of a run with the spec's seed.
func (m *meter) sayNoise(ctx context.Context, at Place, block []float32) error {
	set, size := m.subject.job.Data.Train, m.subject.job.Local.Schedule.Batch
	if size == 0 || size >= set.Len() {
		m.note(fmt.Sprintf("no noise of gradients: a batch is the whole training set; --batch takes less than %d", set.Len()))
		return nil
	}
	machine := relu.NewMachine[float32](m.net, size)
	spread, g := noise.NewSpread(len(block)), make(collected, len(block))
	for _, batch := range noise.Draw(m.subject.job.Seed, 0, 0, set.Len(), size) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("gradients of batches: %w", err)
		}
		machine.Probe(block, localsgd.Fill(machine, set, batch), &g)
		spread.Add(g)
	}
	n := spread.Noise(size)
	m.say("gradient_spread", at, n.Spread)
	m.say("gradient_square", at, n.Mean)
	m.sayIf("noise_scale", at, n.Scale)
	return nil
}

// collected is a block that collects a gradient.
type collected []float32

// Gradient implements relu.Sink.
func (c *collected) Gradient(offset int, part []float32) { copy((*c)[offset:], part) }

// shardProbe is how many examples of each shard are looked at, as by default in a run (M3).
const shardProbe = 32

// sayHeterogeneity says M8 over the spec's shards, each weighing as many as it has examples.
func (m *meter) sayHeterogeneity(ctx context.Context, at Place, block []float32) error {
	shards := m.subject.job.Shards
	if len(shards) < 2 {
		m.note("no heterogeneity: the training set is one shard; --set shards.count=10 divides it")
		return nil
	}
	meter := study.NewDriftMeter(m.subject.job, shardProbe)
	estimate := analysis.NewHeterogeneity(len(block))
	for k, examples := range shards {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("gradients of shards: %w", err)
		}
		if a, b := meter.Halves(k, block); a != nil {
			estimate.Add(float64(len(examples)), a, b)
		}
	}
	m.sayIf("heterogeneity", at, estimate.SplitHalf())
	m.sayIf("heterogeneity.naive", at, estimate.Naive())
	return nil
}

// length is the norm of all parameters, without running statistics.
func length(layout *tensor.Layout, block []float32) float64 {
	sum := 0.0
	for i := range layout.Len() {
		if view := layout.At(i); !view.Buffer {
			for _, x := range tensor.Of(block, view) {
				sum += float64(x) * float64(x)
			}
		}
	}
	return math.Sqrt(sum)
}
