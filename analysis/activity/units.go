package activity

import "github.com/fedrelu/fedrelu/localsgd/relu"

// Count is how many units of an activation never change their gate (M15).
type Count struct {
	Name     string
	Units    int // channels of images, else outputs
	Dead     int // gate 0 on every example
	AlwaysOn int // gate 1 on every example (and position)
}

// Units is a relu.Watcher that finds dead and always-on units. M15 shows it the first 1,000 examples of the evaluation set.
type Units struct {
	layers []unitLayer
	seen   int
}

// unitLayer remembers of each unit whether its gate was ever open and ever closed.
type unitLayer struct {
	name         string
	gated        bool
	positions    int // of a unit
	open, closed []bool
}

// NewUnits returns Units for machines of the network that have seen nothing.
func NewUnits(net *relu.Network) *Units {
	u := &Units{}
	for _, a := range net.Activations() {
		l := unitLayer{name: a.Name, gated: a.Gated, positions: 1}
		for _, side := range a.Shape[1:] {
			l.positions *= side
		}
		l.open, l.closed = make([]bool, a.Shape[0]), make([]bool, a.Shape[0])
		u.layers = append(u.layers, l)
	}
	return u
}

// Activation implements relu.Watcher.
func (u *Units) Activation(i int, y []float32, n int) {
	if i == 0 {
		u.seen += n
	}
	l := &u.layers[i]
	for at, v := range y {
		unit := at / l.positions % len(l.open)
		if v > 0 {
			l.open[unit] = true
		} else {
			l.closed[unit] = true
		}
	}
}

// Counts returns the counts of the gated activations over all examples so far; nil if there was none.
func (u *Units) Counts() []Count {
	if u.seen == 0 {
		return nil
	}
	var counts []Count
	for _, l := range u.layers {
		if !l.gated {
			continue
		}
		c := Count{Name: l.name, Units: len(l.open)}
		for i, open := range l.open {
			switch {
			case !open:
				c.Dead++
			case !l.closed[i]:
				c.AlwaysOn++
			}
		}
		counts = append(counts, c)
	}
	return counts
}
