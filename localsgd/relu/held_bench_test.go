package relu_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// stepper lets layers step by themselves.
type stepper struct {
	plainSGD
	sgd kernel.SGD[float32]
}

func (s *stepper) SGD() *kernel.SGD[float32] { return &s.sgd }

// BenchmarkHeldStep times the rows of `fedrelu bench train` without the task around them, with a team of GOMAXPROCS.
func BenchmarkHeldStep(b *testing.B) {
	mlp10 := make([]int, 9)
	for i := range mlp10 {
		mlp10[i] = 100
	}
	for _, c := range []struct {
		name    string
		mlp     relu.MLP
		sgd     kernel.SGD[float32]
		batches []int
	}{
		{"2nn", relu.MLP{Input: 784, Hidden: []int{200, 200}, Output: 10}, kernel.NewSGD[float32](0.01, 0, 0, false), []int{10, 50, 600}},
		{"mlp-10x100", relu.MLP{Input: 784, Hidden: mlp10, Output: 10}, kernel.NewSGD[float32](0.01, 5e-4, 0.9, false), []int{4, 16, 128}},
		{"mlp-4x1024", relu.MLP{Input: 784, Hidden: []int{1024, 1024, 1024, 1024}, Output: 10}, kernel.NewSGD[float32](0.01, 0, 0.9, false), []int{32, 128}},
	} {
		for _, n := range c.batches {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				net, err := relu.New(c.mlp.Layers(), []int{784}, relu.CrossEntropy)
				if err != nil {
					b.Fatal(err)
				}
				params := make([]float32, net.Parameters())
				net.Initialize(params, relu.KaimingUniform, 1)
				m := relu.NewMachine[float32](net, n)
				team := kernel.NewTeam(runtime.GOMAXPROCS(0))
				defer team.Staff()()
				m.Join(team)
				s := keyed.New(1, "x")
				batch := m.Batch(n)
				for i := range batch.X {
					batch.X[i] = float32(s.Normal())
				}
				for i := range batch.Labels {
					batch.Labels[i] = int32(i % 10)
				}
				sink := &stepper{sgd: c.sgd}
				m.Hold(params)
				m.Backward(params, batch, sink) // touches the memory
				for b.Loop() {
					m.Backward(params, batch, sink)
				}
				operations := 0
				in := 784
				for i, out := range append(c.mlp.Hidden, 10) {
					operations += 2 * in * out
					if i > 0 {
						operations += in * out
					}
					in = out
				}
				b.ReportMetric(2*float64(operations)*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
