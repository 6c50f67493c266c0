package relu

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Layer is one layer of a Network: a Linear or a ReLU. The interface is closed, because a Machine must know each kind.
type Layer interface {
	// resolve checks the layer against the shape of one example at its input, and returns the shape at its output and
	// the layer's tensors, named without the layer's index.
	resolve(in []int) (out []int, params []parameter, err error)
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
	bias          bool
	slope         float64 // of the activation that the layer feeds
}

func (l Linear) resolve(in []int) ([]int, []parameter, error) {
	switch {
	case l.In < 1 || l.Out < 1:
		return nil, nil, fmt.Errorf("linear from %d to %d: both must be at least 1", l.In, l.Out)
	case l.In != product(in):
		return nil, nil, fmt.Errorf("linear takes %d inputs, but gets %d (shape %v)", l.In, product(in), in)
	}
	params := []parameter{{Desc: tensor.Desc{Name: "weight", Shape: []int{l.Out, l.In}}, fanIn: l.In, fanOut: l.Out}}
	if l.Bias {
		params = append(params, parameter{Desc: tensor.Desc{Name: "bias", Shape: []int{l.Out}}, fanIn: l.In, fanOut: l.Out, bias: true})
	}
	return []int{l.Out}, params, nil
}

func (l ReLU) resolve(in []int) ([]int, []parameter, error) {
	if !(l.Slope >= 0) || math.IsInf(l.Slope, 1) {
		return nil, nil, fmt.Errorf("relu with slope %v: must be finite and not negative", l.Slope)
	}
	return in, nil, nil
}

func product(shape []int) int {
	p := 1
	for _, n := range shape {
		p *= n
	}
	return p
}

// MLP is a multilayer network of equal activations: linear layers of the widths Hidden, each followed by an activation,
// and a linear layer to Output. Without Hidden it is a linear model.
type MLP struct {
	Input  int   // numbers per example
	Hidden []int // widths of the hidden layers
	Output int
	NoBias bool
	Slope  float64 // of the activation: 0 is ReLU
}

// Layers returns the layers of torch.nn.Sequential(Linear, ReLU, Linear, ReLU, ..., Linear): the linear ones are 0, 2, 4, ...
func (m MLP) Layers() []Layer {
	var layers []Layer
	in := m.Input
	for _, width := range m.Hidden {
		layers = append(layers, Linear{In: in, Out: width, Bias: !m.NoBias}, ReLU{Slope: m.Slope})
		in = width
	}
	return append(layers, Linear{In: in, Out: m.Output, Bias: !m.NoBias})
}
