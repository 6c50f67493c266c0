package relu_test

import (
	"testing"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Training gives the same bits with every kernel that the machine has, for networks of every kind of layer, and on every
// machine: all have to come to the same golden hashes.
func TestEveryKernelTrainsEveryNetworkToTheSameBits(t *testing.T) {
	before := kernel.InUse()
	defer func() { _ = kernel.Use(before) }()
	input := []int{2, 9, 8}
	mixed := []relu.Layer{
		relu.Conv2D{In: 2, Out: 11, Kernel: 3, Stride: 2, Padding: 1, Bias: true}, relu.GroupNorm{Groups: 11, Features: 11, Eps: 1e-5},
		relu.Softplus{}, relu.AvgPool2D{Kernel: 2, Stride: 1}, relu.Flatten{}, relu.Linear{In: 11 * 4 * 3, Out: 9},
		relu.Residual{Body: []relu.Layer{relu.LayerNorm{Features: 9, Eps: 1e-5}, relu.Linear{In: 9, Out: 9}, relu.ReLU{}}},
		relu.ReLU{}, relu.Linear{In: 9, Out: 10, Bias: true}, relu.Scale{Factor: 0.5},
	}
	for _, c := range []struct {
		name   string
		layers []relu.Layer
		want   string
	}{
		{"mlp", append([]relu.Layer{relu.Flatten{}}, relu.MLP{Input: 2 * 9 * 8, Hidden: []int{70, 41}, Output: 10}.Layers()...), "2a2d5f94fd4c150d"},
		{"cnn", relu.CNN{Input: input, Output: 10}.Layers(), "1121cab0e014e860"},
		{"resnet", relu.ResNet{Input: input, Output: 10, Blocks: 1, Widths: []int{5, 9}}.Layers(), "048ef634226cbf61"},
		{"mixed", mixed, "e7adc63ed8c61fb2"},
	} {
		net, err := relu.New(c.layers, input, relu.CrossEntropy, relu.Smoothing(0.1))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range kernel.Available() {
			if err := kernel.Use(name); err != nil {
				t.Fatal(err)
			}
			params := make([]float32, net.Parameters())
			net.Initialize(params, relu.KaimingUniform, 1)
			m := relu.NewMachine[float32](net, 7)
			sink := &plainSGD{params: params, lr: 0.1}
			for step := range 4 {
				b := m.Batch(7 - step)
				fillImages(b.X, b.Labels, 0.7, uint64(step))
				m.Backward(params, b, sink)
			}
			if got := tensor.HashBlock(params).String()[:16]; got != c.want {
				t.Errorf("%s on %s: %s, want %s", c.name, name, got, c.want)
			}
		}
	}
}
