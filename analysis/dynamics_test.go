package analysis

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// dynamics is Local SGD on one matrix whose mini-batch gradients are random matrices of rank batch, the setting in which
// the bounds on the rank of the average and of local models are not vacuous (PAPERS.md 1.3 item 7).
type dynamics struct {
	workers, steps, batch int
}

const (
	side   = 400
	rate   = 0.2 // learning rate
	decay  = 0.9 // 1 - 2 rate lambda for lambda = 0.25
	eps    = 0.05
	memory = 160 // local steps after which the start, at decay^160 = 5e-8, is forgotten
)

// run returns the local models at the end of the last round.
func (d dynamics) run() [][]float64 {
	models := make([][]float64, d.workers)
	for k := range models {
		models[k] = make([]float64, side*side)
	}
	for round := range (memory + d.steps - 1) / d.steps {
		if round > 0 {
			synchronize(models)
		}
		for k, w := range models {
			stream := keyed.New(1, "dynamics", uint64(round), uint64(k))
			for range d.steps {
				d.step(w, stream)
			}
		}
	}
	return models
}

// step makes w = decay w - rate G for a random G of rank batch.
func (d dynamics) step(w []float64, stream *keyed.Stream) {
	a := blas64.General{Rows: side, Cols: side, Stride: side, Data: w}
	left, right := blas64.Vector{N: side, Inc: 1, Data: make([]float64, side)}, blas64.Vector{N: side, Inc: 1, Data: make([]float64, side)}
	blas64.Scal(decay, blas64.Vector{N: len(w), Inc: 1, Data: w})
	for range d.batch {
		for i := range side {
			left.Data[i], right.Data[i] = stream.Normal(), stream.Normal()
		}
		blas64.Ger(-rate, left, right, a)
	}
}

func average(models [][]float64) []float64 {
	mean := make([]float64, len(models[0]))
	for _, w := range models {
		for i, v := range w {
			mean[i] += v / float64(len(models))
		}
	}
	return mean
}

func synchronize(models [][]float64) {
	mean := average(models)
	for _, w := range models {
		copy(w, mean)
	}
}

// TestRankOfLocalSGD compares the eps-ranks of the average and of the local models with those that another program found
// on its own random numbers: 3 ranks is the stated spread between seeds, 5 for the average of 8 workers. And none may
// exceed what the theorem allows, B K ceil(ln(2/eps)/-ln(decay)) for the average, whatever the number of local steps.
func TestRankOfLocalSGD(t *testing.T) {
	for _, c := range []struct {
		dynamics
		average, local, spread float64
	}{
		{dynamics{1, 1, 1}, 21, 21, 3},
		{dynamics{1, 1, 4}, 52, 52, 3},
		{dynamics{4, 1, 1}, 54, 42, 3},
		{dynamics{4, 5, 1}, 52, 21.5, 3},
		{dynamics{4, 40, 1}, 52, 20.8, 3},
		{dynamics{2, 20, 2}, 53, 34, 3},
		{dynamics{8, 10, 1}, 74, 10, 5},
	} {
		t.Run(fmt.Sprintf("K=%d,H=%d,B=%d", c.workers, c.steps, c.batch), func(t *testing.T) {
			if testing.Short() && c.workers*c.steps > 1 {
				t.Skip("the full table is for the long form")
			}
			checkDynamics(t, c.dynamics, c.average, c.local, c.spread)
		})
	}
}

func checkDynamics(t *testing.T, d dynamics, wantAverage, wantLocal, spread float64) {
	var w Workspace
	models := d.run()
	rank := func(m []float64) float64 { return float64(EpsRank(values(t, &w, toFloat32(m), side, side), eps)) }
	averageRank, localRank := rank(average(models)), 0.0
	for _, m := range models {
		localRank += rank(m) / float64(len(models))
	}
	t.Logf("average %g (%g), local %.1f (%g)", averageRank, wantAverage, localRank, wantLocal)
	if math.Abs(averageRank-wantAverage) > spread || math.Abs(localRank-wantLocal) > 3 {
		t.Errorf("eps-rank of the average %g, want %g +- %g; of local models %g, want %g +- 3",
			averageRank, wantAverage, spread, localRank, wantLocal)
	}
	bound := float64(d.batch*d.workers) * math.Ceil(math.Log(2/eps)/-math.Log(decay))
	if averageRank > bound {
		t.Errorf("eps-rank of the average %g exceeds the bound %g", averageRank, bound)
	}
}
