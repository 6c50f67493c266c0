package averagingrank

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// matrix is a weight of a dynamics without a network.
type matrix struct {
	rows, cols int
	values     []float64
}

func newMatrix(rows, cols int) matrix {
	return matrix{rows, cols, make([]float64, rows*cols)}
}

// decay multiplies by a factor.
func (m matrix) decay(factor float64) {
	for i := range m.values {
		m.values[i] *= factor
	}
}

// add adds size u v^T.
func (m matrix) add(size float64, u, v []float64) {
	for i, x := range u {
		row := m.values[i*m.cols:][:m.cols]
		for j, y := range v {
			row[j] += size * x * y
		}
	}
}

func (m matrix) frobenius() float64 {
	sum := 0.0
	for _, v := range m.values {
		sum += v * v
	}
	return math.Sqrt(sum)
}

// singular returns the singular values in descending order.
func (m matrix) singular() ([]float64, error) {
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(m.rows, m.cols, m.values), mat.SVDNone) {
		return nil, errors.New("singular values did not converge")
	}
	return svd.Values(nil), nil
}

// randomGradients is Local SGD on a matrix whose gradients are random: products of independent Gaussian vectors, B of them a step
// (1.3 item 7). Nothing but the sides, K, H, B and rho enters.
type randomGradients struct {
	theory.Dynamics
	rows, cols int
	seed       uint64
}

// dynamicsOf takes the dimensions of a setting: its first weight, shards, local steps, batch, learning rate and weight decay.
func dynamicsOf(s *claims.Setting) randomGradients {
	rows, cols, _ := claims.Hidden(s.Job.Net)[0].Matrix()
	return randomGradients{
		Dynamics: theory.Dynamics{
			Workers: len(s.Job.Shards), Steps: s.Job.Local.Schedule.Steps, Batch: s.Job.Local.Schedule.Batch,
			Rho: 1 - s.Job.Local.SGD.LR*s.Job.Local.SGD.WeightDecay,
		},
		rows: rows, cols: cols, seed: s.Spec.Seed,
	}
}

// forgotten is the factor below which the start counts as forgotten.
const forgotten = 5e-8

// trace is a run of random gradients: the models of the last round before they are averaged, and the norms that certificates
// look at.
type trace struct {
	average  matrix
	locals   []matrix
	averages []float64 // Frobenius norm of the virtual average before each step
	own      []float64 // of worker 0's model before each step of the last round
}

// run makes whole rounds from 0 until the start is forgotten.
func (d randomGradients) run() *trace {
	rounds := int(math.Ceil(math.Log(forgotten) / math.Log(d.Rho) / float64(d.Steps)))
	t := &trace{average: newMatrix(d.rows, d.cols), locals: make([]matrix, d.Workers)}
	for k := range t.locals {
		t.locals[k] = newMatrix(d.rows, d.cols)
	}
	u, v := make([]float64, d.rows), make([]float64, d.cols)
	for round := range rounds {
		t.own = t.own[:0]
		for k := range t.locals {
			copy(t.locals[k].values, t.average.values)
		}
		streams := make([]*keyed.Stream, d.Workers)
		for k := range streams {
			streams[k] = keyed.New(d.seed, "random gradients", uint64(round), uint64(k))
		}
		for range d.Steps {
			t.averages, t.own = append(t.averages, t.average.frobenius()), append(t.own, t.locals[0].frobenius())
			t.average.decay(d.Rho)
			for k := range t.locals {
				t.locals[k].decay(d.Rho)
				d.gradient(streams[k], u, v, func() {
					t.locals[k].add(1, u, v)
					t.average.add(1/float64(d.Workers), u, v)
				})
			}
		}
	}
	return t
}

// gradient draws the B products of one step of a worker into u and v, one after the other.
func (d randomGradients) gradient(stream *keyed.Stream, u, v []float64, use func()) {
	for range d.Batch {
		for i := range u {
			u[i] = stream.Normal()
		}
		for i := range v {
			v[i] = stream.Normal()
		}
		use()
	}
}

func (d randomGradients) String() string {
	return fmt.Sprintf("K=%d H=%d B=%d", d.Workers, d.Steps, d.Batch)
}
