package relu

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Init is a way to draw start parameters.
type Init int

// The initialisations, with the meaning that they have in torch.nn.init.
const (
	// KaimingUniform is PyTorch's default for linear layers (kaiming_uniform_ with a = sqrt(5)): weights and biases
	// uniform in +-1/sqrt(fan_in).
	KaimingUniform Init = iota
	// KaimingNormal is kaiming_normal_ with mode fan_in: weights normal with standard deviation
	// sqrt(2 / ((1 + slope^2) fan_in)), biases 0. The slope is that of the activation that follows the layer; for a layer
	// with none after it, that of the network's last one; in a network without any, 0.
	KaimingNormal
	// Xavier is xavier_uniform_: weights uniform in +-sqrt(6 / (fan_in + fan_out)), biases 0.
	Xavier
)

// String returns the initialisation's name in specs.
func (i Init) String() string {
	switch i {
	case KaimingUniform:
		return "kaiming_uniform"
	case KaimingNormal:
		return "kaiming_normal"
	case Xavier:
		return "xavier"
	}
	return fmt.Sprintf("Init(%d)", int(i))
}

// Initialize fills block, of length Parameters, with start parameters drawn by (seed, "init", index of the tensor), so
// that a tensor's start depends on nothing but the seed, its place and its shape. Draws are made in float64 and rounded.
func (n *Network) Initialize(block []float32, init Init, seed uint64) {
	if len(block) != n.Parameters() {
		panic(fmt.Sprintf("relu: initialising %d parameters of %d", len(block), n.Parameters()))
	}
	var s keyed.Stream
	for i, p := range n.params {
		s.Reset(seed, "init", uint64(i))
		init.fill(tensor.Of(block, n.layout.At(i)), p, &s)
	}
}

func (i Init) fill(dst []float32, p parameter, s *keyed.Stream) {
	fanIn := float64(p.fanIn)
	switch {
	case p.fixed:
		for j := range dst {
			dst[j] = p.value
		}
	case i == KaimingUniform:
		uniform(dst, 1/math.Sqrt(fanIn), s)
	case p.bias:
		clear(dst)
	case i == KaimingNormal:
		gain := float64(p.slope * p.slope)
		normal(dst, math.Sqrt(2/float64((1+gain)*fanIn)), s)
	case i == Xavier:
		uniform(dst, math.Sqrt(6/(fanIn+float64(p.fanOut))), s)
	default:
		panic(fmt.Sprintf("relu: %v is no initialisation", i))
	}
}

// uniform draws from [-bound, bound).
func uniform(dst []float32, bound float64, s *keyed.Stream) {
	for i := range dst {
		dst[i] = float32(float64(2*s.Float64()-1) * bound)
	}
}

func normal(dst []float32, deviation float64, s *keyed.Stream) {
	for i := range dst {
		dst[i] = float32(s.Normal() * deviation)
	}
}
