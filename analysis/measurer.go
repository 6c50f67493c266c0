package analysis

import (
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Measurer measures drift on the machine that trains. It holds two gradients, twice the size of the model, for any number
// of shards. One goroutine uses it at a time.
type Measurer struct {
	layout     *tensor.Layout
	machine    *relu.Machine[float32]
	end, model gradient
}

// gradient is a block that collects what a backward pass hands over.
type gradient []float32

// Gradient implements relu.Sink. (A pointer, so that handing it over allocates nothing.)
func (g *gradient) Gradient(offset int, part []float32) { copy((*g)[offset:], part) }

// NewMeasurer returns a Measurer that computes gradients on machine, which must be one of a network with this layout and
// must take the largest probe as one batch: splitting it would change the order of the sums, and so the numbers.
func NewMeasurer(layout *tensor.Layout, machine *relu.Machine[float32]) *Measurer {
	return &Measurer{
		layout:  layout,
		machine: machine,
		end:     make(gradient, layout.Size()),
		model:   make(gradient, layout.Size()),
	}
}

// Measure returns the drift of one shard between the params at the end of its task and the model, on its probe: the same
// examples for both, and for every round (M3). Gradients are those of the data loss alone, the mean over the probe, without
// weight decay or other terms of the optimizer, batch norm in evaluation mode (M4). Nothing of the model's size is
// allocated; params and probe are not changed. Params or gradients that are not finite give ErrNotFinite.
func (m *Measurer) Measure(shard int, end, model []float32, probe *relu.Batch[float32]) (Sample, error) {
	m.machine.Probe(end, probe, &m.end)
	m.machine.Probe(model, probe, &m.model)
	return Compare(shard, m.layout, Point{end, m.end}, Point{model, m.model})
}

// MeasureModules is Measure with the same numbers for each layer by itself (M2).
func (m *Measurer) MeasureModules(shard int, end, model []float32, probe *relu.Batch[float32]) (Sample, []ModuleSample, error) {
	m.machine.Probe(end, probe, &m.end)
	m.machine.Probe(model, probe, &m.model)
	return compareAll(shard, m.layout, Point{end, m.end}, Point{model, m.model})
}

// Halves returns the gradients at the model on the first and the second half of the probe, for Heterogeneity (M8); an odd
// example at the end is left out. They are the Measurer's own and valid until its next call. A probe of fewer than two
// examples has none: nil.
func (m *Measurer) Halves(model []float32, probe *relu.Batch[float32]) (a, b []float32) {
	half := probe.N / 2
	if half == 0 {
		return nil, nil
	}
	first, second := part(probe, 0, half), part(probe, half, 2*half)
	m.machine.Probe(model, &first, &m.end)
	m.machine.Probe(model, &second, &m.model)
	return m.end, m.model
}

// part returns examples from..to-1 of a batch, sharing its memory.
func part(b *relu.Batch[float32], from, to int) relu.Batch[float32] {
	cut := func(rows []float32) []float32 {
		width := len(rows) / b.N
		return rows[from*width : to*width]
	}
	p := relu.Batch[float32]{N: to - from, X: cut(b.X)}
	if len(b.Labels) > 0 {
		p.Labels = b.Labels[from:to]
	}
	if len(b.Targets) > 0 {
		p.Targets = cut(b.Targets)
	}
	return p
}
