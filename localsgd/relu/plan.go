package relu

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// plan gathers what resolving a network's layers finds: its leaves (layers without layers inside) and its tensors, both
// in the order of torch's state_dict(): depth first, a residual layer's body before its shortcut.
type plan struct {
	prefix string // of the names of the layer that is being resolved
	leaves []Layer
	first  []int  // first[i] is the index of leaf i's first tensor
	joined []bool // leaf i takes what leaf i-1 gives, and no other layer does
	params []parameter

	activations []Activation

	weights int // how many params are weights of sums: each layer that has sums begins with its own

	waits int     // the tensors from here on have not met their activation
	slope float64 // of the last activation
	batch int     // the least examples that a batch may have in training
}

// sequence resolves layers that follow each other, whose names go on from the plan's prefix.
func (p *plan) sequence(layers []Layer, shape []int) ([]int, error) {
	outer := p.prefix
	defer func() { p.prefix = outer }()
	joined := false
	for i, l := range layers {
		if l == nil {
			return nil, fmt.Errorf("layer %s%d is nil", outer, i)
		}
		p.prefix = outer + strconv.Itoa(i) + "."
		_, nested := l.(Residual)
		if !nested {
			p.leaves = append(p.leaves, l)
			p.first = append(p.first, len(p.params))
			p.joined = append(p.joined, joined)
		}
		joined = !nested
		out, err := l.resolve(shape, p)
		switch {
		case err != nil && nested:
			return nil, err // names the layer inside
		case err != nil:
			return nil, fmt.Errorf("layer %s%d: %w", outer, i, err)
		}
		shape = out
	}
	return shape, nil
}

// add notes tensors of the layer that is being resolved.
func (p *plan) add(tensors ...parameter) {
	for _, t := range tensors {
		if !t.bias && !t.fixed {
			p.weights++
		}
		t.number = p.weights
		t.Name = p.prefix + t.Name
		p.params = append(p.params, t)
	}
}

// activation notes an activation of this slope on examples of shape in: it is the one that the tensors since the one before
// feed.
func (p *plan) activation(in []int, slope float64, gated bool) {
	p.activations = append(p.activations, Activation{Name: strings.TrimSuffix(p.prefix, "."), Shape: in, Gated: gated})
	p.slope = slope
	p.settle()
}

// settle gives the waiting tensors the slope of the last activation, 0 if there was none.
func (p *plan) settle() {
	for ; p.waits < len(p.params); p.waits++ {
		p.params[p.waits].slope = p.slope
	}
}

// layout places the tensors.
func (p *plan) layout() (*tensor.Layout, error) {
	descs := make([]tensor.Desc, len(p.params))
	for i, t := range p.params {
		descs[i] = t.Desc
	}
	return tensor.NewLayout(descs)
}
