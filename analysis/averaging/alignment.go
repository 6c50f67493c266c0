package averaging

import (
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// Alignment is a model whose hidden units are in the order of another model's.
type Alignment struct {
	Params       []float32
	Permutations [][]int // of each hidden layer: unit i of Params is unit Permutations[l][i] of the model that was given
	Sweeps       int     // over the layers until nothing changed
}

// maxSweeps bounds the sweeps of Align; a few do.
const maxSweeps = 100

// Align permutes the hidden units of a model, which changes nothing about its function, so that its parameters have the largest
// scalar product with those of the reference: layer by layer the best assignment, given the others, until no layer changes.
// Networks are chains of linear layers with norms and activations between them; for others it returns nil and the reason. Both
// blocks are only read and must be finite.
func Align(net *relu.Network, reference, model []float32) (*Alignment, string) {
	hidden, reason := hiddenLayers(net)
	if reason != "" {
		return nil, reason
	}
	a := &Alignment{Params: slices.Clone(model)}
	for _, h := range hidden {
		a.Permutations = append(a.Permutations, identity(h.units))
	}
	for changed := true; changed && a.Sweeps < maxSweeps; a.Sweeps++ {
		changed = false
		for l, h := range hidden {
			p := h.match(reference, a.Params)
			if p == nil {
				continue
			}
			changed = true
			h.permute(a.Params, p)
			a.Permutations[l] = compose(a.Permutations[l], p)
		}
	}
	return a, ""
}

func identity(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	return p
}

// compose returns the permutation whose unit i is unit first[then[i]].
func compose(first, then []int) []int {
	p := make([]int, len(first))
	for i, j := range then {
		p[i] = first[j]
	}
	return p
}

// hiddenLayer is where the units of a hidden layer are in a block.
type hiddenLayer struct {
	units  int
	places []place
}

// place is a tensor in which unit i has the numbers offset + i stride + j step, j < count.
type place struct {
	offset, stride, step, count int
	buffer                      bool
}

// hiddenLayers finds the units of a chain of linear layers.
func hiddenLayers(net *relu.Network) (hidden []hiddenLayer, reason string) {
	var open *hiddenLayer // the hidden layer that the next linear layer reads
	for i, l := range net.Layers() {
		switch l := l.(type) {
		case relu.Linear:
			if open != nil {
				open.add(net, fmt.Sprintf("%d.weight", i), true)
				hidden = append(hidden, *open)
			}
			open = &hiddenLayer{units: l.Out}
			open.add(net, fmt.Sprintf("%d.weight", i), false)
			open.add(net, fmt.Sprintf("%d.bias", i), false)
		case relu.BatchNorm, relu.LayerNorm:
			if open == nil {
				return nil, fmt.Sprintf("layer %d is a norm of the inputs", i)
			}
			for _, name := range []string{"weight", "bias", "running_mean", "running_var"} {
				open.add(net, fmt.Sprintf("%d.%s", i, name), false)
			}
		case relu.ReLU, relu.Softplus, relu.Scale, relu.Flatten:
		default:
			return nil, fmt.Sprintf("layer %d is %T, and units are aligned in chains of linear layers only", i, l)
		}
	}
	if len(hidden) == 0 {
		return nil, "there is no hidden layer"
	}
	return hidden, ""
}

// add notes a tensor, if there is one of this name: units are its rows, or its columns.
func (h *hiddenLayer) add(net *relu.Network, name string, columns bool) {
	v, ok := net.Layout().Lookup(name)
	if !ok {
		return
	}
	p := place{offset: v.Offset, stride: v.Size / h.units, step: 1, count: v.Size / h.units, buffer: v.Buffer}
	if columns {
		p.stride, p.step = 1, h.units
	}
	h.places = append(h.places, p)
}

// match returns the best order of the model's units beside the reference's, nil if it is the one that they have.
func (h *hiddenLayer) match(reference, model []float32) []int {
	gain := make([][]float64, h.units)
	for i := range gain {
		gain[i] = make([]float64, h.units)
		for j := range gain[i] {
			gain[i][j] = h.product(reference, i, model, j)
		}
	}
	p := assign(gain)
	now, best, scale := 0.0, 0.0, 0.0
	for i, j := range p {
		now += gain[i][i]
		best += gain[i][j]
		scale += max(gain[i][j], -gain[i][j])
	}
	if best-now <= float64(1e-12*scale) { // rounding must not let equal orders alternate
		return nil
	}
	return p
}

// product is the scalar product of the parameters of unit i of one block and unit j of another.
func (h *hiddenLayer) product(a []float32, i int, b []float32, j int) float64 {
	sum := 0.0
	for _, p := range h.places {
		if p.buffer {
			continue
		}
		for k := range p.count {
			x := float64(a[p.offset+i*p.stride+k*p.step])
			sum += float64(x * float64(b[p.offset+j*p.stride+k*p.step]))
		}
	}
	return sum
}

// permute makes unit order[i] of the block its unit i.
func (h *hiddenLayer) permute(block []float32, order []int) {
	for _, p := range h.places {
		old := slices.Clone(block[p.offset : p.offset+h.units*p.count])
		for i, j := range order {
			for k := range p.count {
				block[p.offset+i*p.stride+k*p.step] = old[j*p.stride+k*p.step]
			}
		}
	}
}
