package theory

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Null is what the ranks of a layer would be if its gradients were random: the dynamics of 1.3 item 7 with the layer's sides and
// the run's K, H, B and rho, every sample's gradient a product of two independent Gaussian vectors, run to their stationary
// state. Draws are keyed by (Seed, "null model", draw).
type Null struct {
	Rows, Cols int
	Dynamics
	Eps   float64
	Draws int // at least 2
	Seed  uint64
}

// nullLimit bounds the samples of a draw: beyond it the matrix has no small rank, and time and memory no small bound.
const nullLimit = 1 << 17

// Expectation is the mean and the standard deviation of a number over the draws of a null model.
type Expectation struct {
	Mean, Deviation float64
}

// Z returns how many standard deviations a measured number lies above the mean; nil where there is no deviation.
func (e Expectation) Z(measured float64) *float64 {
	if e.Deviation == 0 {
		return nil
	}
	z := (measured - e.Mean) / e.Deviation
	return &z
}

// Ranks are expectations of a null model for the average of the workers' models at the end of a round, and for one of them.
type Ranks struct {
	Average, Local                   Expectation // eps-rank
	AverageEffective, LocalEffective Expectation // effective rank
}

// Measure draws the null model. It returns a reason instead where the dynamics remember too many samples, or one of the numbers
// is out of range. Each draw takes about (K B ln(5000)/-ln(rho)) rows cols multiply-adds and two sets of singular values; no draw
// makes the steps one by one. A context that is done ends it between two of the remembered steps.
func (n Null) Measure(ctx context.Context, w *analysis.Workspace) (*Ranks, string, error) {
	if n.Draws < 2 || n.Workers < 1 || n.Steps < 1 || n.Batch < 1 || n.Rows < 1 || n.Cols < 1 || !(n.Rho > 0 && n.Rho < 1) {
		return nil, fmt.Sprintf("no random dynamics with %+v", n), nil
	}
	steps, _ := Forgetting(n.Rho, nullMemory)
	if steps == 0 || steps > nullLimit/(n.Workers*n.Batch) {
		return nil, "the dynamics remember too many samples", nil
	}
	var values [4][]float64
	for draw := range n.Draws {
		average, local, err := n.draw(ctx, uint64(draw), steps)
		if err != nil {
			return nil, "", fmt.Errorf("null model: %w", err)
		}
		for i, matrix := range [][]float64{average, local} {
			s, err := n.spectrum(w, matrix)
			if err != nil {
				return nil, "", fmt.Errorf("null model: %w", err)
			}
			values[i] = append(values[i], float64(analysis.EpsRank(s, n.Eps)))
			values[2+i] = append(values[2+i], analysis.EffectiveRank(s))
		}
	}
	return &Ranks{expectation(values[0]), expectation(values[1]), expectation(values[2]), expectation(values[3])}, "", nil
}

// nullMemory is the size below which what is older is left out of a draw, relative to the newest update.
const nullMemory = 2e-4

// draw returns the average and the local model of worker 0 at the end of a round, after steps local steps from 0. Samples of the
// last H steps are the worker's own in the local model and divided by K in the average; older ones have been averaged in both.
func (n Null) draw(ctx context.Context, draw uint64, steps int) (average, local []float64, err error) {
	old, recent, own := make([]float64, n.Rows*n.Cols), make([]float64, n.Rows*n.Cols), make([]float64, n.Rows*n.Cols)
	stream, left, right := keyed.New(n.Seed, "null model", draw), make([]float64, n.Rows), make([]float64, n.Cols)
	size := 1.0
	for age := range steps {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		for sample := range n.Workers * n.Batch {
			normals(stream, right)
			normals(stream, left)
			if age >= n.Steps {
				addOuter(old, left, right, size/float64(n.Workers))
				continue
			}
			addOuter(recent, left, right, size/float64(n.Workers))
			if sample < n.Batch { // worker 0's
				addOuter(own, left, right, size)
			}
		}
		size = float64(size * n.Rho)
	}
	for i, v := range old {
		recent[i] += v
		own[i] += v
	}
	return recent, own, nil
}

func normals(stream *keyed.Stream, dst []float64) {
	for i := range dst {
		dst[i] = stream.Normal()
	}
}

// addOuter adds size times the product of a column and a row.
func addOuter(matrix, left, right []float64, size float64) {
	for i, l := range left {
		a := float64(l * size)
		row := matrix[i*len(right):][:len(right)]
		for j, v := range right {
			row[j] += float64(a * v)
		}
	}
}

func (n Null) spectrum(w *analysis.Workspace, matrix []float64) ([]float64, error) {
	narrow := make([]float32, len(matrix))
	for i, v := range matrix {
		narrow[i] = float32(v)
	}
	return w.Values(narrow, n.Rows, n.Cols)
}

// expectation returns mean and sample standard deviation.
// expectation divides once, so that ranks which are equal have that mean and no deviation.
func expectation(values []float64) Expectation {
	mean, square := 0.0, 0.0
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		square += float64((v - mean) * (v - mean))
	}
	return Expectation{mean, math.Sqrt(square / float64(len(values)-1))}
}
