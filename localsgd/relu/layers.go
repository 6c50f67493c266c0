package relu

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Layer is one layer of a Network. The interface is closed, because a Machine must know each kind; each is named after
// its PyTorch twin and means the same.
type Layer interface {
	// resolve checks the layer against the shape of one example at its input, adds its tensors, named without its index,
	// to the plan, and returns the shape at its output.
	resolve(in []int, p *plan) (out []int, err error)
}

// Linear is a fully connected layer, y = x W^T + b, with the tensors weight [Out, In] and, if Bias, bias [Out]. An input
// of several dimensions is flattened.
type Linear struct {
	In, Out int
	Bias    bool
}

// ReLU is x for positive x and Slope times x otherwise: ReLU for slope 0, Leaky ReLU for others, which must be positive
// and finite. Its derivative at 0 is Slope, as in PyTorch.
type ReLU struct {
	Slope float64
}

// parameter is a tensor of a layer with what initialisation has to know about it.
type parameter struct {
	tensor.Desc
	fanIn, fanOut int
	number        int // of the layer among those that have sums, from 1
	positions     int // at which each example uses it, where there is more than one
	bias          bool
	fixed         bool    // starts at value in every initialisation: weights of norms, running statistics
	value         float32 // where fixed
	slope         float64 // of the activation that the layer feeds
}

// affine returns the weight of this shape and, if wanted, the bias of a layer that takes sums over fanIn inputs.
func affine(shape []int, fanIn, fanOut int, bias bool) []parameter {
	params := []parameter{{Desc: tensor.Desc{Name: "weight", Shape: shape}, fanIn: fanIn, fanOut: fanOut}}
	if bias {
		params = append(params, parameter{Desc: tensor.Desc{Name: "bias", Shape: shape[:1]}, fanIn: fanIn, fanOut: fanOut, bias: true})
	}
	return params
}

func (l Linear) resolve(in []int, p *plan) ([]int, error) {
	switch {
	case l.In < 1 || l.Out < 1:
		return nil, fmt.Errorf("linear from %d to %d: both must be at least 1", l.In, l.Out)
	case l.In != product(in):
		return nil, fmt.Errorf("linear takes %d inputs, but gets %d (shape %v)", l.In, product(in), in)
	}
	p.add(affine([]int{l.Out, l.In}, l.In, l.Out, l.Bias)...)
	return []int{l.Out}, nil
}

func (l ReLU) resolve(in []int, p *plan) ([]int, error) {
	if !(l.Slope >= 0) || math.IsInf(l.Slope, 1) {
		return nil, fmt.Errorf("relu with slope %v: must be finite and not negative", l.Slope)
	}
	p.activation(in, l.Slope, true)
	return in, nil
}

func product(shape []int) int {
	p := 1
	for _, n := range shape {
		p *= n
	}
	return p
}
