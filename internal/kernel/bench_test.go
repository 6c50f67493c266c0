package kernel

import (
	"fmt"
	"testing"
)

// BenchmarkLinear times the three products of a linear layer, each over so many layers in turn that the weights come from
// where they come from in a step of a whole network.
func BenchmarkLinear(b *testing.B) {
	for _, c := range []struct{ n, in, out, layers int }{
		{10, 784, 200, 1}, {600, 784, 200, 1}, {16, 100, 100, 9}, {128, 100, 100, 9}, {32, 1024, 1024, 4}, {128, 1024, 1024, 4},
	} {
		l := newBenchLayers(c.n, c.in, c.out, c.layers)
		for _, p := range []struct {
			name string
			run  func(i int)
		}{
			{"forward", func(i int) { l.w[i].Forward(l.y, l.x, c.n, true) }},
			{"input", func(i int) { l.w[i].InputGradient(l.dx, l.dy, c.n, l.mask, l.scratch) }},
			{"plain", func(i int) { l.w[i].Update(nil, l.x, l.dy, c.n, &l.plain) }},
			{"momentum", func(i int) { l.w[i].Update(l.v[i], l.x, l.dy, c.n, &l.heavy) }},
		} {
			b.Run(fmt.Sprintf("%dx%dx%d/%s", c.n, c.in, c.out, p.name), func(b *testing.B) {
				for i := range c.layers {
					p.run(i) // touches the memory
				}
				for i := 0; b.Loop(); i++ {
					p.run(i % c.layers)
				}
				b.ReportMetric(2*float64(c.n*c.in*c.out)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
	b.Run("peak", func(b *testing.B) {
		operations := 0.0
		for b.Loop() {
			operations += Peak()
		}
		b.ReportMetric(operations/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
}

// benchLayers are some layers of one shape with a batch.
type benchLayers struct {
	w, v                        []*Weights[float32]
	x, y, dx, dy, mask, scratch []float32
	plain, heavy                SGD[float32]
}

func newBenchLayers(n, in, out, layers int) *benchLayers {
	l := &benchLayers{plain: NewSGD[float32](1e-9, 0, 0, false), heavy: NewSGD[float32](1e-9, 0, 0.9, false)}
	for range layers {
		l.w = append(l.w, NewWeights[float32](in, out, true))
		l.v = append(l.v, NewWeights[float32](in, out, true))
	}
	w := l.w[0]
	l.x, l.dy = make([]float32, n*w.InputWidth()), make([]float32, n*w.OutputWidth())
	l.y, l.dx = make([]float32, n*out+Slack), make([]float32, n*in+Slack)
	l.mask, l.scratch = make([]float32, n*in+Slack), make([]float32, w.Scratch())
	for _, x := range [][]float32{l.x, l.dy, l.mask} {
		for i := range x {
			x[i] = float32(i%7-3) / 8
		}
	}
	return l
}
