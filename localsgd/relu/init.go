package relu

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/detmath"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Initializer is a way to draw start parameters: an Init, a Gaussian, an Identity or a RandomSigns. Weights of norms start at 1, their
// biases and running means at 0, running variances at 1, whatever it is.
type Initializer interface {
	// fill draws a tensor of a layer that has sums.
	fill(dst []float32, p parameter, s *keyed.Stream)
}

// Init is an Initializer without arguments.
type Init int

// The initialisations, with the meaning that they have in torch.nn.init.
const (
	// KaimingUniform is PyTorch's default for linear and convolutional layers (kaiming_uniform_ with a = sqrt(5)): weights
	// and biases uniform in +-1/sqrt(fan_in).
	KaimingUniform Init = iota
	// KaimingNormal is kaiming_normal_ with mode fan_in: weights normal with standard deviation
	// sqrt(2 / ((1 + slope^2) fan_in)), biases 0. The slope is that of the activation that follows the layer; for a layer
	// with none after it, that of the network's last one; in a network without any, 0; and 0 for softplus. Layers inside a
	// residual layer count where they stand, the body before the shortcut.
	KaimingNormal
	// Xavier is xavier_uniform_: weights uniform in +-sqrt(6 / (fan_in + fan_out)), biases 0.
	Xavier
	// Zero is 0 everywhere.
	Zero
)

// Gaussian draws weights from a normal distribution of mean 0 and standard deviation Std; biases are 0.
type Gaussian struct {
	Std float64
}

// Identity is the start of deep networks that converge with depth (PAPERS.md P2, section 2.5): W_n = I + C n^-P G / sqrt(m)
// for weight n of the network, counted from 1, where G is standard normal and m the layer's width. The first weight and
// those that are not square matrices start as in KaimingNormal; biases are 0.
type Identity struct {
	C, P float64
}

// RandomSigns is the start of networks of one hidden layer (PAPERS.md P6, section 6.4): weights and biases of the first layer
// are normal with standard deviation Std, weights of the second +Scale or -Scale with even odds, and everything else is 0:
// the biases of the second layer, a skip connection.
type RandomSigns struct {
	Std, Scale float64
}

// String returns the initialisation's name in specs.
func (i Init) String() string {
	switch i {
	case KaimingUniform:
		return "kaiming_uniform"
	case KaimingNormal:
		return "kaiming_normal"
	case Xavier:
		return "xavier"
	case Zero:
		return "zero"
	}
	return fmt.Sprintf("Init(%d)", int(i))
}

// Initialize fills block, of length Parameters, with start parameters drawn by (seed, "init", index of the tensor), so
// that a tensor's start depends on nothing but the seed, its place and its shape. Draws are made in float64 and rounded.
func (n *Network) Initialize(block []float32, init Initializer, seed uint64) {
	if len(block) != n.Parameters() {
		panic(fmt.Sprintf("relu: initialising %d parameters of %d", len(block), n.Parameters()))
	}
	var s keyed.Stream
	for i, p := range n.params {
		dst := tensor.Of(block, n.layout.At(i))
		if p.fixed {
			constantly(dst, p.value)
			continue
		}
		s.Reset(seed, "init", uint64(i))
		init.fill(dst, p, &s)
	}
}

func (i Init) fill(dst []float32, p parameter, s *keyed.Stream) {
	fanIn := float64(p.fanIn)
	switch {
	case i == KaimingUniform:
		uniform(dst, 1/math.Sqrt(fanIn), s)
	case p.bias || i == Zero:
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

func (g Gaussian) fill(dst []float32, p parameter, s *keyed.Stream) {
	if p.bias {
		clear(dst)
		return
	}
	normal(dst, g.Std, s)
}

func (d Identity) fill(dst []float32, p parameter, s *keyed.Stream) {
	if p.bias || p.number < 2 || len(p.Shape) != 2 || p.Shape[0] != p.Shape[1] {
		KaimingNormal.fill(dst, p, s)
		return
	}
	m := p.Shape[0]
	normal(dst, float64(d.C*detmath.Pow(float64(p.number), -d.P))/math.Sqrt(float64(m)), s)
	for i := range m {
		dst[i*m+i]++
	}
}

func (r RandomSigns) fill(dst []float32, p parameter, s *keyed.Stream) {
	switch {
	case p.number == 1:
		normal(dst, r.Std, s)
	case p.number == 2 && !p.bias:
		for i := range dst {
			dst[i] = float32(r.Scale)
			if s.Float64() < 0.5 {
				dst[i] = -dst[i]
			}
		}
	default:
		clear(dst)
	}
}

func constantly(dst []float32, value float32) {
	for i := range dst {
		dst[i] = value
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
