package activity

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// Moved is how far an activation's output is from that of the activation before it (P2.4).
type Moved struct {
	Name     string
	Relative *float64 // mean over the examples of ||x_n - x_{n-1}|| / ||x_{n-1}||; nil where Reason says why
	Reason   string
}

// Movement is a relu.Watcher that measures how far states move from activation to activation. Networks whose layers come near
// the identity with depth have it go to 0; wide ones of independent He layers have sqrt(2 - 2/pi) everywhere. It keeps a copy of one
// activation's output.
type Movement struct {
	layers   []movedLayer
	previous []float32
}

type movedLayer struct {
	name     string
	width    int
	sum      float64
	examples int
	stuck    bool // an example with a previous state of 0
}

// NewMovement returns a Movement for machines of the network that has seen nothing.
func NewMovement(net *relu.Network) *Movement {
	m := &Movement{}
	for _, a := range net.Activations() {
		width := 1
		for _, side := range a.Shape {
			width *= side
		}
		m.layers = append(m.layers, movedLayer{name: a.Name, width: width})
	}
	return m
}

// Activation implements relu.Watcher.
func (m *Movement) Activation(i int, y []float32, n int) {
	l := &m.layers[i]
	if i > 0 && m.layers[i-1].width == l.width {
		for e := range n {
			l.add(m.previous[e*l.width:(e+1)*l.width], y[e*l.width:(e+1)*l.width])
		}
	}
	m.previous = append(m.previous[:0], y...)
}

func (l *movedLayer) add(before, after []float32) {
	var moved, norm float64
	for i, b := range before {
		d := float64(after[i]) - float64(b)
		moved += float64(d * d)
		norm += float64(float64(b) * float64(b))
	}
	l.examples++
	if norm == 0 {
		l.stuck = true
		return
	}
	l.sum += math.Sqrt(moved / norm)
}

// Layers returns the movement of every activation over the examples so far.
func (m *Movement) Layers() []Moved {
	var all []Moved
	for i, l := range m.layers {
		moved := Moved{Name: l.name}
		mean := l.sum / float64(l.examples)
		switch {
		case i == 0:
			moved.Reason = "it is the first activation"
		case m.layers[i-1].width != l.width:
			moved.Reason = fmt.Sprintf("%d outputs after %d", l.width, m.layers[i-1].width)
		case l.examples == 0:
			moved.Reason = "no example was seen"
		case l.stuck:
			moved.Reason = "the state before is 0 for an example"
		case math.IsNaN(mean) || math.IsInf(mean, 0):
			moved.Reason = "an output is not finite"
		default:
			moved.Relative = &mean
		}
		all = append(all, moved)
	}
	return all
}
