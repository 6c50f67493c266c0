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
// Units are the outputs of linear layers and the channels of convolutions, in chains of these with batch norms, layer norms over units,
// activations and pools between them; for other networks it returns nil and the reason: the units of a residual layer would have to
// move with those of the layers around it. Both blocks are only read and must be finite.
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

// hiddenLayer is where the units of a hidden layer are in a block: outputs of a linear layer, or channels of a convolution.
type hiddenLayer struct {
	units  int
	images bool // units are channels
	places []place
}

// place is a tensor in which unit i has the numbers offset + i stride + j step + t, j < count, t < run.
type place struct {
	offset, stride, step, count, run int
	buffer                           bool
}

// hiddenLayers finds the units of a chain of linear layers and convolutions.
func hiddenLayers(net *relu.Network) (hidden []hiddenLayer, reason string) {
	var open *hiddenLayer // the hidden layer that the next one reads
	for i, l := range net.Layers() {
		switch l := l.(type) {
		case relu.Linear, relu.Conv2D:
			if open != nil {
				open.read(net, i)
				hidden = append(hidden, *open)
			}
			open = newHiddenLayer(net, i)
		case relu.BatchNorm, relu.LayerNorm:
			if open == nil {
				return nil, fmt.Sprintf("layer %d is a norm of the inputs", i)
			}
			if _, rows := l.(relu.LayerNorm); rows && open.images || !open.norm(net, i) {
				return nil, fmt.Sprintf("layer %d is a norm with weights of other things than units", i)
			}
		case relu.ReLU, relu.Softplus, relu.Scale, relu.Flatten, relu.MaxPool2D, relu.AvgPool2D, relu.GlobalAvgPool2D:
		default:
			return nil, fmt.Sprintf("layer %d is %T, and units are aligned in chains of linear layers and convolutions only", i, l)
		}
	}
	if len(hidden) == 0 {
		return nil, "there is no hidden layer"
	}
	return hidden, ""
}

// newHiddenLayer returns the units that layer i makes.
func newHiddenLayer(net *relu.Network, i int) *hiddenLayer {
	weight, _ := net.Layout().Lookup(fmt.Sprintf("%d.weight", i))
	h := &hiddenLayer{units: weight.Shape[0], images: len(weight.Shape) == 4}
	h.own(net, i, "weight")
	h.own(net, i, "bias")
	return h
}

// own notes a tensor of layer i, if there is one of this name, whose rows are units.
func (h *hiddenLayer) own(net *relu.Network, i int, name string) {
	if v, ok := net.Layout().Lookup(fmt.Sprintf("%d.%s", i, name)); ok {
		each := v.Size / h.units
		h.places = append(h.places, place{offset: v.Offset, stride: each, count: 1, run: each, buffer: v.Buffer})
	}
}

// norm notes the tensors of a norm; false if it has not one number for each unit.
func (h *hiddenLayer) norm(net *relu.Network, i int) bool {
	weight, _ := net.Layout().Lookup(fmt.Sprintf("%d.weight", i))
	for _, name := range []string{"weight", "bias", "running_mean", "running_var"} {
		h.own(net, i, name)
	}
	return weight.Size == h.units
}

// read notes the weight of layer i, which reads the units: each has a column of it, of a convolution the numbers under the kernel in
// its channel, of a linear layer after images those of its positions.
func (h *hiddenLayer) read(net *relu.Network, i int) {
	v, _ := net.Layout().Lookup(fmt.Sprintf("%d.weight", i))
	row := v.Size / v.Shape[0]
	run := row / h.units
	h.places = append(h.places, place{offset: v.Offset, stride: run, step: row, count: v.Shape[0], run: run})
}

// part returns run j of unit i in a block that begins at the place first of the model's.
func (p *place) part(block []float32, first, i, j int) []float32 {
	return block[p.offset-first+i*p.stride+j*p.step:][:p.run]
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
			other := p.part(b, 0, j, k)
			for t, x := range p.part(a, 0, i, k) {
				sum += float64(float64(x) * float64(other[t]))
			}
		}
	}
	return sum
}

// permute makes unit order[i] of the block its unit i.
func (h *hiddenLayer) permute(block []float32, order []int) {
	for _, p := range h.places {
		old := slices.Clone(block[p.offset : p.offset+h.units*p.count*p.run])
		for i, j := range order {
			for k := range p.count {
				copy(p.part(block, 0, i, k), p.part(old, p.offset, j, k))
			}
		}
	}
}
