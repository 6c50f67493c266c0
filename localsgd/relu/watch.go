package relu

import (
	"slices"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// Activation is a place in a network where an activation is computed.
type Activation struct {
	Name  string // of its layer, as in the names of tensors: "1", "3.body.2"
	Shape []int  // of its output for one example
	Gated bool   // it is a ReLU or leaky ReLU: its output is positive exactly where its input is (the gate)
}

// Activations returns the network's activations in the order in which a forward pass computes them.
func (n *Network) Activations() []Activation { return slices.Clone(n.activations) }

// Positions returns at how many positions each example uses tensor i of the layout: the output positions of a convolution's, else
// 1. A batch of B examples gives a weight a gradient of at most this rank times B.
func (n *Network) Positions(i int) int { return max(1, n.params[i].positions) }

// Watcher looks on while a machine computes.
type Watcher[F kernel.Float] interface {
	// Activation shows the output y of activation i of Network.Activations for n examples, row-major. It is valid during
	// the call alone and must not be changed.
	Activation(i int, y []F, n int)
}

// Watch shows w the output of every activation in every forward pass from now on, those of Evaluate, Probe and Backward
// included; nil ends it. It changes no bit of what the machine computes,
// but allocates memory for the activations of images, once.
func (m *Machine[F]) Watch(w Watcher[F]) { m.watcher = w }

// watchedStage is an activation that shows what it has computed.
type watchedStage[F kernel.Float] struct {
	stage[F]
	index   int
	watcher *Watcher[F]
	turned  *turnStage[F] // nil where the output is in PyTorch's order
}

func (s *watchedStage[F]) forward(params, x []F, n int) []F {
	y := s.stage.forward(params, x, n)
	if w := *s.watcher; w != nil {
		w.Activation(s.index, s.rowMajor(y, n), n)
	}
	return y
}

// rowMajor returns the output in PyTorch's order.
func (s *watchedStage[F]) rowMajor(y []F, n int) []F {
	if s.turned == nil {
		return y
	}
	s.turned.y = slices.Grow(s.turned.y[:0], len(y))[:len(y)]
	return s.turned.forward(nil, y, n)
}

// watched returns the stage of layer l, which shows its output if it is an activation.
func (b *builder[F]) watched(l Layer, s stage[F]) stage[F] {
	switch l.(type) {
	case ReLU, Softplus:
		b.active++
		w := &watchedStage[F]{stage: s, index: b.active - 1, watcher: b.watcher}
		if b.last {
			w.turned = &turnStage[F]{rows: product(b.shape) / b.shape[0], columns: b.shape[0]}
		}
		return w
	}
	return s
}
