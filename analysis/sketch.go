package analysis

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// SketchSize is how many numbers a Sketch keeps of each layer (M8).
const SketchSize = 4096

// Sketch returns a linear summary of a gradient, SketchSize numbers for each layer of Modules: every element is added with a
// random sign to a random number of its layer's (a count sketch). Signs and places are drawn by (seed, "sketch", layer), the
// same for every shard and round. Scalar products of sketches have the right mean, and within one layer a standard deviation
// of at most sqrt(2/4096) ||x|| ||y||, 2.2% of the product of the norms; so mean gradients and heterogeneity can be had from
// 16 KiB a layer instead of a model.
func Sketch(seed uint64, layout *tensor.Layout, gradient []float32) []float32 {
	if len(gradient) != layout.Size() {
		panic(fmt.Sprintf("analysis: a gradient of %d numbers for a layout of %d", len(gradient), layout.Size()))
	}
	modules := Modules(layout)
	sketch := make([]float32, 0, len(modules)*SketchSize)
	for i, module := range modules {
		var sums [SketchSize]float64
		stream := keyed.New(seed, "sketch", uint64(i))
		for _, view := range module.Views {
			project(&sums, tensor.Of(gradient, view), stream)
		}
		for _, v := range sums {
			sketch = append(sketch, float32(v))
		}
	}
	return sketch
}

func project(sums *[SketchSize]float64, values []float32, stream *keyed.Stream) {
	for _, v := range values {
		draw := stream.Uint32()
		place := draw % SketchSize
		if draw>>31 == 0 {
			sums[place] += float64(v)
		} else {
			sums[place] -= float64(v)
		}
	}
}
