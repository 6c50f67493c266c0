package relu_test

import (
	"fmt"
	"testing"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// The multiplications of a step for one example: forward, weight gradient, input gradient of all but the first layer.
const (
	stepCNN     = 2*784*25*32 + 3*(196*800*64+3136*512+512*10)
	stepResNet8 = 2*1024*27*16 + 3*(2*1024*144*16+256*144*32+256*288*32+64*288*64+64*576*64+256*16*32+64*32*64+64*10)
)

// BenchmarkConvolutions times steps of plain SGD as a task makes them.
func BenchmarkConvolutions(b *testing.B) {
	digits, photos := []int{1, 28, 28}, []int{3, 32, 32}
	for _, c := range []struct {
		name   string
		layers []relu.Layer
		input  []int
		step   float64
	}{
		{"cnn", relu.CNN{Input: digits, Output: 10}.Layers(), digits, stepCNN},
		{"resnet-8", relu.ResNet{Input: photos, Output: 10, Blocks: 1, Widths: []int{16, 32, 64}}.Layers(), photos, stepResNet8},
	} {
		for _, batch := range []int{10, 50} {
			b.Run(fmt.Sprintf("%s/%d", c.name, batch), func(b *testing.B) {
				net, err := relu.New(c.layers, c.input, relu.CrossEntropy)
				if err != nil {
					b.Fatal(err)
				}
				params := make([]float32, net.Parameters())
				net.Initialize(params, relu.KaimingUniform, 1)
				m := relu.NewMachine[float32](net, batch)
				x := m.Batch(batch)
				fillImages(x.X, x.Labels, 1, 1)
				sink := &stepper{plainSGD{params: params, lr: 0.01}, kernel.NewSGD[float32](0.01, 0, 0, false)}
				m.Hold(params)
				b.ReportAllocs()
				for b.Loop() {
					m.Backward(params, x, sink)
				}
				report(b, 2*float64(batch)*c.step)
			})
		}
	}
}
