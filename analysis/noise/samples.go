package noise

import (
	"math"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// SampleSize is how large single examples' gradients are in one weight.
type SampleSize struct {
	Name string  // of the tensor
	Mean float64 // mean over the examples of ||delta f^T||_F = ||delta|| ||f||, the norm of the example's gradient
}

// SampleSizes returns the mean norm of single examples' gradients in every weight of two or more dimensions, in the order of
// the layout, in a backward pass for each example of the batch (evaluation mode, M4). Times lr/B it is a, the size of one
// sample's update that theory.Crossover takes (7b). NaN where a gradient is.
func SampleSizes(machine *relu.Machine[float32], layout *tensor.Layout, params []float32, batch *relu.Batch[float32]) []SampleSize {
	gradient := make(collected, layout.Size())
	var sizes []SampleSize
	var weights []tensor.View
	for i := range layout.Len() {
		if v := layout.At(i); len(v.Shape) >= 2 && !v.Buffer {
			weights, sizes = append(weights, v), append(sizes, SampleSize{Name: v.Name})
		}
	}
	for e := range batch.N {
		one := example(batch, e)
		machine.Probe(params, &one, &gradient)
		for i, v := range weights {
			square := 0.0
			for _, g := range tensor.Of(gradient, v) {
				square += float64(float64(g) * float64(g))
			}
			sizes[i].Mean += math.Sqrt(square) / float64(batch.N)
		}
	}
	return sizes
}

// collected is a block that collects a gradient.
type collected []float32

// Gradient implements relu.Sink.
func (c *collected) Gradient(offset int, part []float32) { copy((*c)[offset:], part) }

// example returns one example of a batch, sharing its memory.
func example(b *relu.Batch[float32], e int) relu.Batch[float32] {
	one := relu.Batch[float32]{N: 1, X: b.X[e*len(b.X)/b.N : (e+1)*len(b.X)/b.N]}
	if len(b.Labels) > 0 {
		one.Labels = b.Labels[e : e+1]
	}
	if len(b.Targets) > 0 {
		one.Targets = b.Targets[e*len(b.Targets)/b.N : (e+1)*len(b.Targets)/b.N]
	}
	return one
}
