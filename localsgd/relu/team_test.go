package relu_test

import (
	"testing"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Training gives the same bits whoever shares the products, where the machine holds the parameters and where it does not.
func TestTeamsTrainToTheSameBits(t *testing.T) {
	mlp := relu.MLP{Input: 300, Hidden: []int{256, 200}, Output: 10, Residual: true}
	net, err := relu.New(mlp.Layers(), []int{300}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	train := func(team *kernel.Team, held bool) tensor.Hash {
		params := make([]float32, net.Parameters())
		net.Initialize(params, relu.KaimingUniform, 1)
		m := relu.NewMachine[float32](net, 64)
		m.Join(team)
		var sink relu.Sink[float32] = &plainSGD{params: params, lr: 0.1}
		if held {
			m.Hold(params)
			sink = &stepper{sgd: kernel.NewSGD[float32](0.1, 1e-3, 0.9, false)}
		}
		for step := range 3 {
			b := m.Batch(64 - step)
			fillImages(b.X, b.Labels, 0.7, uint64(step))
			m.Backward(params, b, sink)
		}
		if held {
			m.Release(params)
		}
		return tensor.HashBlock(params)
	}
	for _, held := range []bool{false, true} {
		alone := train(nil, held)
		for size := 1; size <= 3; size++ {
			team := kernel.NewTeam(size)
			dismiss := team.Staff()
			if got := train(team, held); got != alone {
				t.Errorf("held %v: other bits with a team of %d", held, size)
			}
			dismiss()
		}
	}
}
