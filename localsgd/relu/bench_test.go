package relu_test

import (
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// plainSGD is the cheapest sink there is: params -= lr * g, in place.
type plainSGD struct {
	params []float32
	lr     float32
}

func (s *plainSGD) Gradient(offset int, g []float32) {
	p := s.params[offset:][:len(g)]
	for i, v := range g {
		p[i] -= float32(s.lr * v)
	}
}

// twoNN is the 2NN of McMahan et al.: 199,210 parameters.
func twoNN(tb testing.TB) *relu.Network {
	mlp := relu.MLP{Input: 784, Hidden: []int{200, 200}, Output: 10}
	net, err := relu.New(mlp.Layers(), []int{1, 28, 28}, relu.CrossEntropy)
	if err != nil {
		tb.Fatal(err)
	}
	return net
}

// fillImages fills x with numbers that are not zero with the given probability: MNIST's pixels are 19% of the time.
func fillImages(x []float32, labels []int32, density float64, seed uint64) {
	s := keyed.New(seed, "images")
	for i := range x {
		x[i] = 0
		if s.Float64() < density {
			x[i] = 1 - s.Float32()
		}
	}
	for i := range labels {
		labels[i] = int32(s.Below(10))
	}
}

// multiplications of one forward pass, and of one step: forward, weight gradient, input gradient of all but the first.
const (
	forward2NN = 784*200 + 200*200 + 200*10
	step2NN    = 3*forward2NN - 784*200
)

func BenchmarkStep2NN(b *testing.B) {
	for _, c := range []struct {
		name    string
		density float64
	}{{"mnist-like", 0.19}, {"dense", 1}} {
		b.Run(c.name, func(b *testing.B) {
			net := twoNN(b)
			params := make([]float32, net.Parameters())
			net.Initialize(params, relu.KaimingUniform, 1)
			const batch, batches = 10, 20
			m := relu.NewMachine[float32](net, batch*batches)
			all := m.Batch(batch * batches)
			fillImages(all.X, all.Labels, c.density, 1)
			sink := &plainSGD{params: params, lr: 0.01}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				j := i % batches * batch
				m.Backward(params, &relu.Batch[float32]{N: batch, X: all.X[j*784 : (j+batch)*784], Labels: all.Labels[j : j+batch]}, sink)
			}
			report(b, 2*batch*step2NN)
		})
	}
}

func BenchmarkEvaluate2NN(b *testing.B) {
	net := twoNN(b)
	params := make([]float32, net.Parameters())
	net.Initialize(params, relu.KaimingUniform, 1)
	const batch, total = 100, 10000
	m := relu.NewMachine[float32](net, batch)
	x, labels := make([]float32, total*784), make([]int32, total)
	fillImages(x, labels, 0.19, 1)
	for b.Loop() {
		for i := 0; i < total; i += batch {
			loss, _ := m.Evaluate(params, &relu.Batch[float32]{N: batch, X: x[i*784 : (i+batch)*784], Labels: labels[i : i+batch]})
			if math.IsNaN(loss) {
				b.Fatal("no loss")
			}
		}
	}
	report(b, 2*total*forward2NN)
}

// report adds the rate at which dense kernels would have had to work.
func report(b *testing.B, operations float64) {
	b.ReportMetric(operations*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s-effective")
}
