package theory

import (
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
// is out of range. Each draw takes about (K B ln(1e4)/-ln(rho)) rows cols operations and two sets of singular values; no draw
// makes the steps one by one.
func (n Null) Measure(w *analysis.Workspace) (*Ranks, string, error) {
	if n.Draws < 2 || n.Workers < 1 || n.Steps < 1 || n.Batch < 1 || n.Rows < 1 || n.Cols < 1 || !(n.Rho > 0 && n.Rho < 1) {
		return nil, fmt.Sprintf("no random dynamics with %+v", n), nil
	}
	steps, _ := Forgetting(n.Rho, nullMemory)
	if steps == 0 || steps > nullLimit/(n.Workers*n.Batch) {
		return nil, "the dynamics remember too many samples", nil
	}
	var values [4][]float64
	for draw := range n.Draws {
		average, local := n.draw(uint64(draw), steps)
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
func (n Null) draw(draw uint64, steps int) (average, local []float64) {
	average, local = make([]float64, n.Rows*n.Cols), make([]float64, n.Rows*n.Cols)
	stream := keyed.New(n.Seed, "null model", draw)
	share := 1 / float64(n.Workers)
	size := 1.0
	for age := range steps {
		for worker := range n.Workers {
			for range n.Batch {
				n.sample(stream, average, local, [2]float64{float64(size * share), n.inLocal(age, worker, size)})
			}
		}
		size = float64(size * n.Rho)
	}
	return average, local
}

func (n Null) inLocal(age, worker int, size float64) float64 {
	switch {
	case age >= n.Steps:
		return size / float64(n.Workers)
	case worker == 0:
		return size
	}
	return 0
}

// sample adds one sample's random gradient, with its sizes, to both models.
func (n Null) sample(stream *keyed.Stream, average, local []float64, sizes [2]float64) {
	right := make([]float64, n.Cols)
	for j := range right {
		right[j] = stream.Normal()
	}
	for i := range n.Rows {
		left := stream.Normal()
		a, l := float64(left*sizes[0]), float64(left*sizes[1])
		for j, v := range right {
			average[i*n.Cols+j] += float64(a * v)
		}
		if l == 0 {
			continue
		}
		for j, v := range right {
			local[i*n.Cols+j] += float64(l * v)
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
func expectation(values []float64) Expectation {
	mean, square := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		square += float64((v - mean) * (v - mean))
	}
	return Expectation{mean, math.Sqrt(square / float64(len(values)-1))}
}
