package norm

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Path computes path norms of one network: the sum over all paths from an input to an output of the product of the absolute
// weights along it, 1^T |W_L| ... |W_1| 1, biases and norm layers left out (M17). Every path through a pool counts, those of
// an average pool with their share; a residual layer's paths go through its body or its shortcut; slopes of leaky ReLUs
// count as 1. It holds a machine in float64 for one example; one goroutine uses it at a time.
type Path struct {
	layout  *tensor.Layout
	bare    *relu.Network // without norms
	machine *relu.Machine[float64]
	params  []float64
	ones    *relu.Batch[float64]
}

// NewPath returns a Path for blocks of the network. It fails where the network is nothing without its norms.
func NewPath(net *relu.Network) (*Path, error) {
	bare, err := relu.New(absolute(net.Layers()), net.InputShape(), relu.MSE)
	if err != nil {
		return nil, fmt.Errorf("path norm: the network without its norms: %w", err)
	}
	p := &Path{layout: net.Layout(), bare: bare, machine: relu.NewMachine[float64](bare, 1)}
	p.params = make([]float64, bare.Parameters())
	p.ones = &relu.Batch[float64]{N: 1, X: make([]float64, bare.Inputs())}
	for i := range p.ones.X {
		p.ones.X[i] = 1
	}
	return p, nil
}

// absolute returns the layers of the network whose outputs for inputs of 1 are sums over paths. Its numbers are never negative,
// so a ReLU is the identity.
func absolute(layers []relu.Layer) []relu.Layer {
	var bare []relu.Layer
	for _, l := range layers {
		switch l := l.(type) {
		case relu.BatchNorm, relu.LayerNorm, relu.GroupNorm:
		case relu.Softplus, relu.ReLU:
			bare = append(bare, relu.ReLU{})
		case relu.Scale:
			bare = append(bare, relu.Scale{Factor: math.Abs(l.Factor)})
		case relu.MaxPool2D:
			bare = append(bare, relu.AvgPool2D(l), relu.Scale{Factor: float64(l.Kernel * l.Kernel)})
		case relu.Residual:
			bare = append(bare, relu.Residual{Body: absolute(l.Body), Shortcut: absolute(l.Shortcut)})
		default:
			bare = append(bare, l)
		}
	}
	return bare
}

// Norm returns the path norm of a block of parameters; NaN or infinite where the block is.
func (p *Path) Norm(block []float32) float64 {
	clear(p.params)
	to := 0 // tensors of both networks come in one order: weights of sums are what has two dimensions
	for i := range p.layout.Len() {
		view := p.layout.At(i)
		if len(view.Shape) < 2 || view.Buffer {
			continue
		}
		for len(p.bare.Layout().At(to).Shape) < 2 {
			to++
		}
		weight := tensor.Of(p.params, p.bare.Layout().At(to))
		for j, v := range tensor.Of(block, view) {
			weight[j] = math.Abs(float64(v))
		}
		to++
	}
	sum := 0.0
	for _, y := range p.machine.Forward(p.params, p.ones) {
		sum += y
	}
	return sum
}
