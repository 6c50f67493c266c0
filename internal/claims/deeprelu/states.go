package deeprelu

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Bounds of exact claims that name none of their own (PAPERS.md 8.1).
const (
	bound64 = 1e-10
	bound32 = 1e-5
)

// biasScale is that of the biases of Y1, b_n = biasScale n^-2 z with z standard normal in each unit.
const biasScale = 0.1

// layer is a hidden layer in float64.
type layer struct {
	w *mat.Dense // outputs x inputs
	b []float64
}

// deep is a network of P2's form with its parameters.
type deep struct {
	s      *claims.Setting
	block  []float32
	layers []layer
	depth  activity.Depth
}

// notOfForm is the error for networks that are not of P2's form.
type notOfForm struct{ reason string }

func (e *notOfForm) Error() string {
	return "the claim is about networks of equally wide ReLU layers: " + e.reason
}

// newDeep reads the hidden layers of a block.
func newDeep(s *claims.Setting, block []float32) (*deep, error) {
	var w analysis.Workspace
	depth, err := activity.MeasureDepth(&w, s.Job.Net, block)
	if err != nil {
		return nil, err
	}
	if depth.Reason != "" {
		return nil, &notOfForm{depth.Reason}
	}
	d := &deep{s: s, block: block, depth: depth}
	layout := s.Job.Net.Layout()
	for i := 0; i < 2*(len(depth.Layers)+1); i += 2 {
		weight, _ := layout.Lookup(fmt.Sprintf("%d.weight", i))
		l := layer{mat.NewDense(weight.Shape[0], weight.Shape[1], wide(tensor.Of(block, weight))), make([]float64, weight.Shape[0])}
		if bias, ok := layout.Lookup(fmt.Sprintf("%d.bias", i)); ok {
			copy(l.b, wide(tensor.Of(block, bias)))
		}
		d.layers = append(d.layers, l)
	}
	return d, nil
}

// startOf returns the start of a setting with the biases of Y1, where its layers have biases.
func startOf(s *claims.Setting) []float32 {
	block := s.Job.Start()
	layout := s.Job.Net.Layout()
	for n := 1; ; n++ {
		bias, ok := layout.Lookup(fmt.Sprintf("%d.bias", 2*(n-1)))
		if _, more := layout.Lookup(fmt.Sprintf("%d.weight", 2*n)); !ok || !more {
			return block
		}
		stream := keyed.New(s.Job.Seed, "deep-relu biases", uint64(n))
		for i := range bias.Size {
			block[bias.Offset+i] = float32(biasScale / float64(n*n) * stream.Normal())
		}
	}
}

// collector keeps the outputs of all activations, of the last pass.
type collector[F kernel.Float] struct{ layers [][]F }

func (c *collector[F]) Activation(i int, y []F, _ int) {
	if i == 0 {
		c.layers = nil
	}
	c.layers = append(c.layers, slices.Clone(y))
}

// runner computes states on a machine of the engine.
type runner[F kernel.Float] struct {
	machine *relu.Machine[F]
	params  []F
	seen    collector[F]
}

func newRunner[F kernel.Float](d *deep, inputs int) *runner[F] {
	r := &runner[F]{machine: relu.NewMachine[F](d.s.Job.Net, inputs), params: make([]F, len(d.block))}
	for i, v := range d.block {
		r.params[i] = F(v)
	}
	r.machine.Watch(&r.seen)
	return r
}

// states returns x_1, x_2, ... of the batch in float64: states[n-1] is inputs x width.
func (r *runner[F]) states(batch *relu.Batch[F]) []*mat.Dense {
	r.machine.Forward(r.params, batch)
	out := make([]*mat.Dense, len(r.seen.layers))
	for i, y := range r.seen.layers {
		out[i] = mat.NewDense(batch.N, len(y)/batch.N, wide(y))
	}
	return out
}

// examples returns the first training examples of the spec's first shard, so many at most.
func examples(s *claims.Setting, n int) []int32 {
	all := s.Job.Shards[0]
	return all[:min(n, len(all))]
}

// statesOf returns the states of a network for its first examples.
func statesOf[F kernel.Float](d *deep, inputs int) []*mat.Dense {
	chosen := examples(d.s, inputs)
	r := newRunner[F](d, len(chosen))
	return r.states(localsgd.Fill(r.machine, d.s.Job.Data.Train, chosen))
}

// open returns the gates of one input at every layer: its state is positive exactly where its gate is open.
func open(states []*mat.Dense, input int) [][]bool {
	gates := make([][]bool, len(states))
	for i, x := range states {
		row := x.RawRowView(input)
		gates[i] = make([]bool, len(row))
		for j, v := range row {
			gates[i][j] = v > 0
		}
	}
	return gates
}

// product returns (prod_{k=n..1} J_k W_k), and with it sum_i (prod_{k=n..i+1} J_k W_k) J_i b_i, the offset, for the first n
// layers: products grow from the last layer to the first, while a forward pass goes the other way.
func (d *deep) product(gates [][]bool, n int) (slope *mat.Dense, offset []float64) {
	width, _ := d.layers[n-1].w.Dims()
	left := mat.NewDense(width, width, nil)
	for i := range width {
		left.Set(i, i, 1)
	}
	offset = make([]float64, width)
	for i := n - 1; i >= 0; i-- {
		for j, isOpen := range gates[i] {
			if isOpen {
				continue
			}
			for row := range width {
				left.Set(row, j, 0)
			}
		}
		for row := range width {
			for j, b := range d.layers[i].b {
				offset[row] += left.At(row, j) * b
			}
		}
		_, cols := d.layers[i].w.Dims()
		next := mat.NewDense(width, cols, nil)
		next.Mul(left, d.layers[i].w)
		left = next
	}
	return left, offset
}

func wide[F kernel.Float](values []F) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// apart returns ||a - b||.
func apart(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum)
}

func length(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}

// refused turns the error for networks of another form into a verdict.
func refused(o *claims.Outcome, err error) (*claims.Outcome, error) {
	if other, ok := err.(*notOfForm); ok {
		return &claims.Outcome{Verdict: claims.NotTestable, Why: other.Error()}, nil
	}
	return o, err
}

func describe(s *claims.Setting, d *deep) string {
	rows, cols := d.layers[0].w.Dims()
	return fmt.Sprintf("depth %d, width %d, %d inputs", len(d.layers), rows, cols)
}
