package deeprelu

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

const (
	// expressionBound is the bound on absolute errors in float64 that P2.1 names.
	expressionBound = 1e-9
	// looked is how many inputs the exact claims look at.
	looked = 8
	// halvings is how often a step is halved at most until it stays in its region.
	halvings = 60
)

// gating returns the gates that a formula uses for an input.
type gating func(states []*mat.Dense, input int) [][]bool

func measureExpression(_ context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return refused(expression(lab, open))
}

// expression compares states with the explicit expression of PAPERS.md 2.2 under the given gates, at depths 1, 2, 4, ... and the
// last.
func expression(lab *claims.Lab, gates gating) (*claims.Outcome, error) {
	s, err := lab.Setting("P2.1")
	if err != nil {
		return nil, err
	}
	d, err := newDeep(s, startOf(s))
	if err != nil {
		return nil, err
	}
	worst64, _ := expressionError[float64](d, gates)
	_, worst32 := expressionError[float32](d, gates)
	o := claims.All(worst64.Test(expressionBound), worst32.Test(bound32))
	o.Setup = fmt.Sprintf("%s, biases %g n^-2, %d examples", describe(s, d), biasScale, len(examples(s, looked)))
	o.Predicted = fmt.Sprintf("absolute error <= %g in float64, error <= %g of the state in float32", expressionBound, bound32)
	o.Measured = fmt.Sprintf("%.2g in float64, %.2g in float32", worst64.Value(), worst32.Value())
	return o, nil
}

// expressionError returns the largest error of a state's entry, and that of a state relative to its norm.
func expressionError[F kernel.Float](d *deep, gates gating) (absolute, relative claims.Worst) {
	states := statesOf[F](d, looked)
	row := make([]float32, d.s.Job.Net.Inputs())
	for e, example := range examples(d.s, looked) {
		d.s.Job.Data.Train.Features(row, int(example))
		pattern := gates(states, e)
		for n := 1; n <= len(states); n = min(2*n, max(n+1, len(states))) {
			slope, offset := d.product(pattern, n)
			said := applied(slope, wide(row))
			for i := range said {
				said[i] += offset[i]
				absolute.Add(math.Abs(said[i] - states[n-1].At(e, i)))
			}
			relative.Add(apart(said, states[n-1].RawRowView(e)) / length(said))
		}
	}
	return absolute, relative
}

func applied(m *mat.Dense, x []float64) []float64 {
	rows, _ := m.Dims()
	y := mat.NewVecDense(rows, nil)
	y.MulVec(m, mat.NewVecDense(len(x), x))
	return y.RawVector().Data
}

func measureJacobian(_ context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return refused(jacobian(lab, open))
}

// jacobian compares differences of states within a region with the product of the J_i W_i under the given gates.
func jacobian(lab *claims.Lab, gates gating) (*claims.Outcome, error) {
	s, err := lab.Setting("P2.2")
	if err != nil {
		return nil, err
	}
	d, err := newDeep(s, startOf(s))
	if err != nil {
		return nil, err
	}
	wide64, slope64, step64 := differences[float64](d, gates)
	narrow, _, _ := differences[float32](d, gates)
	o := claims.All(wide64.Test(bound64), narrow.Test(bound32))
	o.Setup = fmt.Sprintf("%s, %d examples, a random direction each, the longest steps 2^-k within a region: %.2g on average", describe(s, d),
		len(examples(s, looked)), step64)
	o.Predicted = fmt.Sprintf("error of differences <= %g of the state in float64, %g in float32", bound64, bound32)
	o.Measured = fmt.Sprintf("%.2g in float64, where the slope is right to %.2g, %.2g in float32", wide64.Value(), slope64.Value(), narrow.Value())
	return o, nil
}

// differences returns the largest error ||N(x + h v) - N(x) - h J v|| relative to ||N(x)||, and relative to h ||J v||, and the
// mean step h.
func differences[F kernel.Float](d *deep, gates gating) (state, slope claims.Worst, step float64) {
	chosen := examples(d.s, looked)
	states := statesOf[F](d, looked)
	one := newRunner[F](d, 1)
	row := make([]float32, d.s.Job.Net.Inputs())
	for e, example := range chosen {
		d.s.Job.Data.Train.Features(row, int(example))
		v := direction(len(row), e)
		moved, h := one.within(row, v, open(states, e))
		if moved == nil {
			state.Add(math.NaN())
			return state, state, math.NaN()
		}
		x := states[len(states)-1].RawRowView(e)
		product, _ := d.product(gates(states, e), len(states))
		said := applied(product, v)
		off := make([]float64, len(x))
		for i := range off {
			off[i] = moved[i] - x[i] - h*said[i]
		}
		state.Add(length(off) / length(x))
		slope.Add(length(off) / (h * length(said)))
		step += h / float64(len(chosen))
	}
	return state, slope, step
}

// direction returns a random unit vector.
func direction(n, e int) []float64 {
	stream := keyed.New(1, "deep-relu direction", uint64(e))
	v := make([]float64, n)
	for i := range v {
		v[i] = stream.Normal()
	}
	scale := 1 / length(v)
	for i := range v {
		v[i] *= scale
	}
	return v
}

// within returns the last state of x + h v and the largest h = 2^-k with which all gates stay as they are, nil if there is none; v
// becomes the direction in which the machine's numbers lie.
func (r *runner[F]) within(x []float32, v []float64, pattern [][]bool) (last []float64, h float64) {
	batch := &relu.Batch[F]{N: 1, X: make([]F, len(x))}
	h = 1
	for range halvings {
		for i := range x {
			batch.X[i] = F(float64(x[i]) + h*v[i])
		}
		states := r.states(batch)
		if same(open(states, 0), pattern) {
			for i := range x {
				v[i] = (float64(batch.X[i]) - float64(x[i])) / h
			}
			return states[len(states)-1].RawRowView(0), h
		}
		h /= 2
	}
	return nil, math.NaN()
}

func same(a, b [][]bool) bool {
	for i := range a {
		for j := range a[i] {
			if a[i][j] != b[i][j] {
				return false
			}
		}
	}
	return true
}
