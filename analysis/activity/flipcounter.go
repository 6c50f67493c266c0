package activity

import (
	"math/bits"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// FlipCounter is a relu.Watcher that compares the gates of every second pass with those of the pass before, both on the same
// batch: the passes that analysis.Measurer makes at the end and at the model. It costs no pass of its own (M7).
type FlipCounter struct {
	layers []flipLayer
}

type flipLayer struct {
	name          string
	gated         bool
	before        Gates
	differ, total int
}

// NewFlipCounter returns a FlipCounter for machines of the network that has seen nothing.
func NewFlipCounter(net *relu.Network) *FlipCounter {
	f := &FlipCounter{}
	for _, a := range net.Activations() {
		f.layers = append(f.layers, flipLayer{name: a.Name, gated: a.Gated})
	}
	return f
}

// Activation implements relu.Watcher.
func (f *FlipCounter) Activation(i int, y []float32, _ int) {
	l := &f.layers[i]
	if !l.gated {
		return
	}
	gates := Gates{bits: make([]uint64, 0, (len(y)+63)/64)}
	gates.add(y)
	if l.before.N == 0 {
		l.before = gates
		return
	}
	for w, word := range gates.bits {
		l.differ += bits.OnesCount64(word ^ l.before.bits[w])
	}
	l.total += gates.N
	l.before = Gates{}
}

// Take returns the flips over all pairs of passes since the last Take, and begins anew; nil if there was no whole pair.
func (f *FlipCounter) Take() []Flip {
	var flips []Flip
	for i := range f.layers {
		l := &f.layers[i]
		if l.total > 0 {
			flips = append(flips, Flip{l.name, float64(l.differ) / float64(l.total)})
		}
		l.before, l.differ, l.total = Gates{}, 0, 0
	}
	return flips
}
