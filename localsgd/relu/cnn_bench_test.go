package relu_test

import (
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// stepCNN are the multiplications of a step of the CNN of McMahan et al. for one example.
const stepCNN = 2*784*25*32 + 3*(196*800*64+3136*512+512*10)

func BenchmarkStepCNN(b *testing.B) {
	const batch = 10
	input := []int{1, 28, 28}
	net, err := relu.New(relu.CNN{Input: input, Output: 10}.Layers(), input, relu.CrossEntropy)
	if err != nil {
		b.Fatal(err)
	}
	params := make([]float32, net.Parameters())
	net.Initialize(params, relu.KaimingUniform, 1)
	m := relu.NewMachine[float32](net, batch)
	x := m.Batch(batch)
	fillImages(x.X, x.Labels, 1, 1)
	sink := &plainSGD{params: params, lr: 0.01}
	b.ReportAllocs()
	for b.Loop() {
		m.Backward(params, x, sink)
	}
	report(b, 2*batch*stepCNN)
}
