package selfcheck

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// gradientProperty compares the backward pass in float64 with central differences of the loss, along the axes of some
// parameters and along some directions through whole tensors. The point is the start model with a little noise, where no
// layer is dead and few units sit on their kink. Batch norm is in training mode: it normalises by the batch.
var gradientProperty = property{
	name:     "the gradient is that of the loss",
	expected: fmt.Sprintf("float64: %.0e of the tensor's largest", gradientTolerance),
	measure:  measureGradient,
}

const (
	// A difference over 2 x gradientStep has a rounding error of about 2^-52/gradientStep = 1e-10 and one of truncation of
	// gradientStep^2 = 4e-12 times the third derivative, for numbers of order 1.
	gradientStep      = 0x1p-19
	gradientTolerance = 1e-5
	gradientLeast     = 1e-3 // smaller gradients count as this: losses are of order 1
	gradientBatch     = 6
	gradientTensors   = 10
	gradientPlaces    = 6   // in each tensor, at most
	gradientBudget    = 2e9 // floating point operations of all differences
)

func measureGradient(ctx context.Context, s *Subject, c *code) (finding, error) {
	d := newDifferences(s, c)
	worst, where, checked, kinks := 0.0, "", 0, 0
	layout := s.job.Net.Layout()
	for _, v := range d.tensors(layout) {
		for _, direction := range d.directions(v) {
			if err := ctx.Err(); err != nil {
				return finding{}, err
			}
			want, smooth := d.along(v, direction)
			if !smooth {
				kinks++
				continue
			}
			checked++
			if off := d.deviation(v, direction, want); !(off <= worst) {
				worst, where = off, v.Name
			}
		}
	}
	if checked == 0 {
		return finding{}, errors.New("every direction meets a kink")
	}
	return finding{
		measured: fmt.Sprintf("%.1e (%s)", worst, where), holds: worst <= gradientTolerance,
		detail: fmt.Sprintf("finite differences along %d directions on %d examples, %d left out at kinks", checked, d.batch.N, kinks),
	}, nil
}

// differences takes finite differences of the loss of one batch.
type differences struct {
	subject  *Subject
	code     *code
	machine  *relu.Machine[float64]
	batch    *relu.Batch[float64]
	params   []float64 // the point
	scratch  []float64
	gradient []float64
	gates    gates
	stream   *keyed.Stream
	places   int // in each tensor
}

func newDifferences(s *Subject, c *code) *differences {
	net := s.job.Net
	examples := s.job.Shards[0]
	examples = examples[:min(len(examples), gradientBatch)]
	d := &differences{subject: s, code: c, machine: relu.NewMachine[float64](net, len(examples)), stream: keyed.New(s.job.Seed, "selfcheck gradient")}
	d.batch = localsgd.Fill(d.machine, s.job.Data.Train, examples)
	d.gates.gated = net.Activations()
	d.params = make([]float64, net.Parameters())
	for i, x := range s.job.Start() {
		d.params[i] = float64(x)
	}
	d.shake(net.Layout())
	d.scratch = slices.Clone(d.params)
	d.gradient = make([]float64, len(d.params))
	c.backward(d.machine, d.scratch, d.batch, (*collector)(&d.gradient))
	d.machine.Watch(&d.gates)
	each := float64(2 * 2 * len(examples) * len(d.tensors(net.Layout())))
	d.places = int(min(gradientPlaces, max(1, gradientBudget/(each*s.cost)-1)))
	return d
}

// shake adds noise to the point, of a tenth of what keeps the size of a layer's outputs.
func (d *differences) shake(layout *tensor.Layout) {
	for i := range layout.Len() {
		v := layout.At(i)
		if v.Buffer {
			continue
		}
		size := 0.01
		if _, columns, ok := v.Matrix(); ok {
			size = 0.1 / math.Sqrt(float64(columns))
		}
		for j := range tensor.Of(d.params, v) {
			d.params[v.Offset+j] += float64(size * d.stream.Normal())
		}
	}
}

// tensors returns some tensors, drawn by key, in their order.
func (d *differences) tensors(layout *tensor.Layout) []tensor.View {
	var all []tensor.View
	for _, i := range keyed.New(d.subject.job.Seed, "selfcheck tensors").Perm(layout.Len()) {
		if v := layout.At(int(i)); !v.Buffer {
			all = append(all, v)
		}
	}
	all = all[:min(len(all), gradientTensors)]
	slices.SortFunc(all, func(a, b tensor.View) int { return a.Offset - b.Offset })
	return all
}

// directions returns unit vectors in the tensor: a random one, and the axes of some elements, that with the largest gradient
// among them.
func (d *differences) directions(v tensor.View) [][]float64 {
	random := make([]float64, v.Size)
	square, largest := 0.0, 0
	g := tensor.Of(d.gradient, v)
	for i := range random {
		random[i] = d.stream.Normal()
		square += float64(random[i] * random[i])
		if math.Abs(g[i]) > math.Abs(g[largest]) {
			largest = i
		}
	}
	for i := range random {
		random[i] /= math.Sqrt(square)
	}
	all := [][]float64{random}
	for n := range min(d.places, v.Size) {
		at := largest
		if n > 0 {
			at = d.stream.Below(v.Size)
		}
		axis := make([]float64, v.Size)
		axis[at] = 1
		all = append(all, axis)
	}
	return all
}

// along returns the derivative of the loss along a direction, by differences whose step shrinks until no gate changes
// between the points and half the step gives the same: at a kink that gates do not show, of a max pool, it does not.
func (d *differences) along(v tensor.View, direction []float64) (derivative float64, smooth bool) {
	d.loss(v, direction, 0)
	here := slices.Clone(d.gates.signs)
	central := func(step float64) (float64, bool) {
		up := d.loss(v, direction, step)
		same := slices.Equal(here, d.gates.signs)
		down := d.loss(v, direction, -step)
		return (up - down) / (2 * step), same && slices.Equal(here, d.gates.signs)
	}
	for step := gradientStep; step > gradientStep/100; step /= 4 {
		wide, same := central(step)
		if !same {
			continue
		}
		half, _ := central(step / 2)
		if math.Abs(wide-half) <= gradientTolerance/4*d.scale(v) {
			return wide, true
		}
	}
	return 0, false
}

// scale is what deviations in a tensor are relative to.
func (d *differences) scale(v tensor.View) float64 {
	largest := gradientLeast
	for _, g := range tensor.Of(d.gradient, v) {
		largest = max(largest, math.Abs(g))
	}
	return largest
}

// loss returns the loss at the point moved along a direction, and leaves the gates there.
func (d *differences) loss(v tensor.View, direction []float64, by float64) float64 {
	copy(d.scratch, d.params) // running statistics have moved
	w := tensor.Of(d.scratch, v)
	for i, x := range direction {
		w[i] += float64(by * x)
	}
	d.gates.signs = d.gates.signs[:0]
	if d.subject.job.Net.LeastBatch() == 1 { // both modes are one
		sum, _ := d.machine.Evaluate(d.scratch, d.batch)
		return sum / float64(d.batch.N)
	}
	return d.machine.Backward(d.scratch, d.batch, discard{})
}

// deviation is how far the gradient is from the derivative along a direction.
func (d *differences) deviation(v tensor.View, direction []float64, derivative float64) float64 {
	sum := 0.0
	for i, g := range tensor.Of(d.gradient, v) {
		sum += float64(g * direction[i])
	}
	return math.Abs(sum-derivative) / d.scale(v)
}

// gates notes which units are active.
type gates struct {
	gated []relu.Activation
	signs []bool
}

// Activation implements relu.Watcher.
func (g *gates) Activation(i int, y []float64, _ int) {
	if !g.gated[i].Gated {
		return
	}
	for _, x := range y {
		g.signs = append(g.signs, x > 0)
	}
}

// collector is a sink that keeps the gradient.
type collector []float64

// Gradient takes a piece.
func (c *collector) Gradient(offset int, g []float64) { copy((*c)[offset:], g) }

// discard is a sink that keeps nothing.
type discard struct{}

// Gradient takes a piece.
func (discard) Gradient(int, []float64) {}
