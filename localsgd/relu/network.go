// Package relu describes ReLU networks and computes their outputs, losses and gradients.
//
// Rules. A Network is an immutable description and may be shared; its parameters live outside, in a block laid out by
// Network.Layout, named and shaped as torch.nn.Sequential would (`<layer index>.weight`, weights [out, in], every layer
// counting). A Machine is the scratch memory of one goroutine for one network: it owns what its methods return until the
// next call, allocates nothing after NewMachine, and computes the same bits on every CPU (see internal/kernel for the
// order of sums). Gradients are those of the data loss alone and leave in pieces through a Sink, which may change the
// parameters in place. Losses are means over the batch, for MSE also over outputs, as PyTorch's; all sums over examples
// go in their order. The package knows no optimizer, no data set and no randomness but its key for initialisation.
package relu

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// ErrNetwork is wrapped by every error of New.
var ErrNetwork = errors.New("invalid network")

// Loss is what a network is trained to make small.
type Loss int

// The losses.
const (
	CrossEntropy Loss = iota // of the softmax of the outputs against a class label, mean over the batch
	MSE                      // squared error against targets or one-hot labels, mean over batch and outputs
)

// String returns the loss's name in specs.
func (l Loss) String() string {
	switch l {
	case CrossEntropy:
		return "cross_entropy"
	case MSE:
		return "mse"
	}
	return fmt.Sprintf("Loss(%d)", int(l))
}

// Network is an immutable description of layers, the shape of an example, and a loss.
type Network struct {
	layers  []Layer
	input   []int
	loss    Loss
	layout  *tensor.Layout
	params  []parameter // one for each tensor of layout
	first   []int       // first[i] is the index of layer i's first tensor
	outputs int
}

// New returns the network of these layers for examples of shape input (at least one dimension, all positive), whose
// outputs are those of the last layer. Its errors wrap ErrNetwork and name the layer.
func New(layers []Layer, input []int, loss Loss) (*Network, error) {
	if loss != CrossEntropy && loss != MSE {
		return nil, fmt.Errorf("%w: %v is no loss", ErrNetwork, loss)
	}
	if len(input) == 0 || slices.Min(input) < 1 {
		return nil, fmt.Errorf("%w: examples of shape %v", ErrNetwork, input)
	}
	n := &Network{layers: slices.Clone(layers), input: slices.Clone(input), loss: loss}
	if err := n.resolve(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	return n, nil
}

func (n *Network) resolve() error {
	shape := n.input
	var descs []tensor.Desc
	for i, l := range n.layers {
		if l == nil {
			return fmt.Errorf("layer %d is nil", i)
		}
		out, params, err := l.resolve(shape)
		if err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		shape = out
		n.first = append(n.first, len(descs))
		for _, p := range params {
			p.Name = strconv.Itoa(i) + "." + p.Name
			p.slope = n.slopeAfter(i)
			n.params = append(n.params, p)
			descs = append(descs, p.Desc)
		}
	}
	if len(descs) == 0 {
		return errors.New("no layer has parameters")
	}
	n.outputs = product(shape)
	layout, err := tensor.NewLayout(descs)
	n.layout = layout
	return err
}

// slopeAfter returns the slope of the first activation after layer i; of the network's last one where there is none
// after i; and 0 in a network without any.
func (n *Network) slopeAfter(i int) float64 {
	slope := 0.0
	for j, l := range n.layers {
		if r, ok := l.(ReLU); ok {
			slope = r.Slope
			if j > i {
				break
			}
		}
	}
	return slope
}

// Layout returns names, shapes and places of the parameters.
func (n *Network) Layout() *tensor.Layout { return n.layout }

// Parameters returns the number of parameters: the length of a block.
func (n *Network) Parameters() int { return n.layout.Size() }

// Inputs returns the number of inputs per example.
func (n *Network) Inputs() int { return product(n.input) }

// Outputs returns the number of outputs per example; for class labels, the number of classes.
func (n *Network) Outputs() int { return n.outputs }

// Loss returns the network's loss.
func (n *Network) Loss() Loss { return n.loss }

// Layers returns a copy of the layers.
func (n *Network) Layers() []Layer { return slices.Clone(n.layers) }
