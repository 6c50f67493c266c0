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
	"sort"

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
	top         []Layer // as given
	layers      []Layer // the leaves of top: those without layers inside, depth first
	input       []int
	loss        Loss
	smoothing   float64
	layout      *tensor.Layout
	params      []parameter // one for each tensor of layout
	first       []int       // first[i] is the index of the first tensor of layers[i]
	joined      []bool      // layers[i] takes what layers[i-1] gives, and no other layer does
	outputs     int
	activations []Activation
	leastBatch  int
}

// New returns the network of these layers for examples of shape input (at least one dimension, all positive), whose
// outputs are those of the last layer. Its errors wrap ErrNetwork and name the layer.
func New(layers []Layer, input []int, loss Loss, options ...Option) (*Network, error) {
	if loss != CrossEntropy && loss != MSE {
		return nil, fmt.Errorf("%w: %v is no loss", ErrNetwork, loss)
	}
	if len(input) == 0 || slices.Min(input) < 1 {
		return nil, fmt.Errorf("%w: examples of shape %v", ErrNetwork, input)
	}
	n := &Network{top: slices.Clone(layers), input: slices.Clone(input), loss: loss}
	if err := n.resolve(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	for _, option := range options {
		if err := option(n); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
		}
	}
	return n, nil
}

func (n *Network) resolve() error {
	p := plan{batch: 1}
	shape, err := p.sequence(n.top, n.input)
	if err != nil {
		return err
	}
	if len(p.params) == 0 {
		return errors.New("no layer has parameters")
	}
	p.settle()
	n.layers, n.first, n.joined, n.params, n.leastBatch = p.leaves, p.first, p.joined, p.params, p.batch
	n.outputs, n.activations = product(shape), p.activations
	n.layout, err = p.layout()
	return err
}

// Option is something about a network besides its layers.
type Option func(*Network) error

// Smoothing is cross entropy with label smoothing s in [0, 1): the target is 1-s at the label plus s/Outputs everywhere, in
// training and evaluation. 0 is none, and the only one that MSE takes.
func Smoothing(s float64) Option {
	return func(n *Network) error {
		if !(s >= 0 && s < 1) || s != 0 && n.loss != CrossEntropy {
			return fmt.Errorf("%v with label smoothing %v: must be in [0, 1), and 0 but for cross_entropy", n.loss, s)
		}
		n.smoothing = s
		return nil
	}
}

// Layout returns names, shapes and places of the parameters.
func (n *Network) Layout() *tensor.Layout { return n.layout }

// Parameters returns the number of parameters and buffers: the length of a block.
func (n *Network) Parameters() int { return n.layout.Size() }

// Inputs returns the number of inputs per example.
func (n *Network) Inputs() int { return product(n.input) }

// InputShape returns the shape of one example.
func (n *Network) InputShape() []int { return slices.Clone(n.input) }

// Outputs returns the number of outputs per example; for class labels, the number of classes.
func (n *Network) Outputs() int { return n.outputs }

// Loss returns the network's loss.
func (n *Network) Loss() Loss { return n.loss }

// LeastBatch returns how many examples a batch must have in training: 2 with batch norm, which has no variance of one
// example, else 1.
func (n *Network) LeastBatch() int { return n.leastBatch }

// Steps tells whether tensor i of the layout belongs to a linear layer or a convolution: one that takes the step of a Stepper itself where a
// machine holds the parameters.
func (n *Network) Steps(i int) bool {
	leaf := sort.SearchInts(n.first, i+1) - 1 // the last one whose tensors begin at i or before
	switch n.layers[leaf].(type) {
	case Linear, Conv2D:
		return true
	}
	return false
}

// OneHiddenLayer returns the weights of a network of one hidden layer, linear, ReLU, linear, with or without a linear
// shortcut around it: w [units, inputs] into the hidden units, v [outputs, units] out of them. Other networks have none.
func (n *Network) OneHiddenLayer() (w, v tensor.View, ok bool) {
	layers := n.top
	if r, is := layers[0].(Residual); is && len(layers) == 1 && isLinear(r.Shortcut) {
		layers = r.Body
	}
	if len(layers) != 3 || !isLinear(layers[:1]) || !isLinear(layers[2:]) {
		return w, v, false
	}
	if _, ok = layers[1].(ReLU); !ok {
		return w, v, false
	}
	return n.layout.At(n.first[0]), n.layout.At(n.first[2]), true
}

// isLinear tells whether layers are one linear layer.
func isLinear(layers []Layer) bool {
	if len(layers) != 1 {
		return false
	}
	_, linear := layers[0].(Linear)
	return linear
}

// Layers returns a copy of the layers.
func (n *Network) Layers() []Layer { return slices.Clone(n.top) }
