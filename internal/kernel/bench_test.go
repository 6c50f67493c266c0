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
		for _, pass := range []string{"forward", "input", "plain", "momentum", "both"} {
			b.Run(fmt.Sprintf("%dx%dx%d/%s", c.n, c.in, c.out, pass), func(b *testing.B) {
				l := newBenchLayers(c.n, c.in, c.out, c.layers)
				for i := range c.layers {
					l.run(i, pass) // touches the memory
				}
				for i := 0; b.Loop(); i++ {
					l.run(i%c.layers, pass)
				}
				products := 1.0
				if pass == "both" {
					products = 2
				}
				b.ReportMetric(products*2*float64(c.n*c.in*c.out)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
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
	n                  int
	w, v               []*Weights[float32]
	x, y, dx, dy, mask []float32
	plain, heavy       SGD[float32]
}

// run does a pass of layer i: the forward one, or the backward one with a part of what it can.
func (l *benchLayers) run(i int, pass string) {
	p := &Backward[float32]{N: l.n, DY: l.dy, X: l.x}
	switch pass {
	case "forward":
		l.w[i].Forward(l.y, l.x, l.n, true)
		return
	case "input":
		p.DX, p.Mask = l.dx, l.mask
	case "plain":
		p.SGD = &l.plain
	case "both":
		p.DX, p.Mask = l.dx, l.mask
		fallthrough
	case "momentum":
		p.SGD, p.Velocity = &l.heavy, l.v[i]
	}
	l.w[i].Backward(p)
}

func newBenchLayers(n, in, out, layers int) *benchLayers {
	l := &benchLayers{n: n, plain: NewSGD[float32](1e-9, 0, 0, false), heavy: NewSGD[float32](1e-9, 0, 0.9, false)}
	for range layers {
		l.w = append(l.w, NewWeights[float32](in, out, true))
		l.w[len(l.w)-1].Prepare(n, true)
		l.v = append(l.v, NewWeights[float32](in, out, true))
	}
	w := l.w[0]
	l.x, l.dy = make([]float32, n*w.InputWidth()), make([]float32, n*w.OutputWidth())
	l.y, l.dx = make([]float32, n*out+Slack), make([]float32, n*in+Slack)
	l.mask = make([]float32, n*in+Slack)
	for _, x := range [][]float32{l.x, l.dy, l.mask} {
		for i := range x {
			x[i] = float32(i%7-3) / 8
		}
	}
	return l
}
