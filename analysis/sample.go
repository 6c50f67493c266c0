package analysis

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Sample is the drift of one shard in one round: its end params against the average model, and the gradients of the data
// loss at both, on the same probe batch (M4, M5, M6). All numbers are finite and none is negative but Cosine.
type Sample struct {
	Shard           int
	Weight          float64 // p_k up to a common factor; set by who combines, Compare leaves it 0
	Drift           float64 // ||g_k(end_k) - g_k(model)||_2
	NormEnd         float64 // ||g_k(end_k)||_2
	NormModel       float64 // ||g_k(model)||_2
	Cosine          float64 // of the two gradients, in [-1, 1]; 0 and without meaning unless HasCosine
	Divergence      float64 // ||end_k - model||_2^2
	NormModelParams float64 // ||model||_2
}

// HasCosine tells whether both gradients differ from 0, so that their cosine exists.
func (s Sample) HasCosine() bool { return s.NormEnd > 0 && s.NormModel > 0 }

// Lipschitz returns ||g_k(end_k) - g_k(model)|| / ||end_k - model|| (M6); ok is false where end and model are the same.
func (s Sample) Lipschitz() (value float64, ok bool) {
	if s.Divergence == 0 {
		return 0, false
	}
	return s.Drift / math.Sqrt(s.Divergence), true
}

// Point is a place in parameter space with the gradient of one shard's probe loss there: two blocks of one layout.
type Point struct {
	Params, Gradient []float32
}

// Compare measures one shard between its end and the model. Neither is changed or kept, and nothing of their size is
// allocated. A gradient or a parameter that is NaN or infinite gives ErrNotFinite and says which of the two it is.
func Compare(shard int, layout *tensor.Layout, end, model Point) (Sample, error) {
	var total moments
	for i := range layout.Len() {
		view := layout.At(i)
		if view.Buffer {
			continue
		}
		addTensor(end.of(view), model.of(view), &total)
	}
	if name := total.notFinite(); name != "" {
		return Sample{}, fmt.Errorf("drift of shard %d: %s: %w", shard, name, ErrNotFinite)
	}
	return total.sample(shard), nil
}

func (p Point) of(v tensor.View) Point {
	return Point{Params: tensor.Of(p.Params, v), Gradient: tensor.Of(p.Gradient, v)}
}

// moments are the sums of squares and products that a Sample consists of.
type moments struct {
	drift, gradEnd, gradModel, gradDot float64
	divergence, end, model             float64
}

// sumBlock is the length of the blocks of every sum: each block is summed from its first element on, and the sums of the
// blocks are added up in their order, tensor by tensor. The order never depends on the machine, and the error grows with
// the block and the number of blocks instead of with the number of parameters.
const sumBlock = 1024

// addTensor adds the blocks of a tensor to each of the sums: numbers are read once, however many sums they are part of.
func addTensor(end, model Point, sums ...*moments) {
	for from := 0; from < len(end.Params); from += sumBlock {
		to := min(from+sumBlock, len(end.Params))
		b := block(end.part(from, to), model.part(from, to))
		for _, m := range sums {
			m.add(b)
		}
	}
}

func (p Point) part(from, to int) Point {
	return Point{Params: p.Params[from:to], Gradient: p.Gradient[from:to]}
}

func (m *moments) add(b moments) {
	m.drift += b.drift
	m.gradEnd += b.gradEnd
	m.gradModel += b.gradModel
	m.gradDot += b.gradDot
	m.divergence += b.divergence
	m.end += b.end
	m.model += b.model
}

// block returns the sums over one block. The conversions keep the compiler from fusing product and sum, which it does on
// some kinds of CPU only.
func block(end, model Point) moments {
	var m moments
	for i, e := range end.Gradient {
		ge, gm := float64(e), float64(model.Gradient[i])
		d := ge - gm
		m.drift += float64(d * d)
		m.gradEnd += float64(ge * ge)
		m.gradModel += float64(gm * gm)
		m.gradDot += float64(ge * gm)
		we, wm := float64(end.Params[i]), float64(model.Params[i])
		d = we - wm
		m.divergence += float64(d * d)
		m.end += float64(we * we)
		m.model += float64(wm * wm)
	}
	return m
}

// notFinite names what holds a NaN or an infinity, and is empty if nothing does. Squares of finite float32 values cannot
// overflow a float64 sum.
func (m *moments) notFinite() string {
	for _, part := range []struct {
		sum  float64
		name string
	}{
		{m.end, "params at the end"},
		{m.model, "params of the model"},
		{m.gradEnd, "gradient at the end"},
		{m.gradModel, "gradient at the model"},
	} {
		if math.IsNaN(part.sum) || math.IsInf(part.sum, 0) {
			return part.name
		}
	}
	return ""
}

func (m *moments) sample(shard int) Sample {
	s := Sample{
		Shard:           shard,
		Drift:           math.Sqrt(m.drift),
		NormEnd:         math.Sqrt(m.gradEnd),
		NormModel:       math.Sqrt(m.gradModel),
		Divergence:      m.divergence,
		NormModelParams: math.Sqrt(m.model),
	}
	if s.HasCosine() {
		// The product of the norms can round below the scalar product of parallel gradients.
		s.Cosine = max(-1, min(1, m.gradDot/(s.NormEnd*s.NormModel)))
	}
	return s
}
