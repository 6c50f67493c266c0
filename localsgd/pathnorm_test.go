package localsgd

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// pathNorm is the definition: over all paths from an input through a hidden unit to an output.
func pathNorm(net *relu.Network, params []float64, w, v string) (sum float64) {
	wView, _ := net.Layout().Lookup(w)
	vView, _ := net.Layout().Lookup(v)
	ws, vs := tensor.Of(params, wView), tensor.Of(params, vView)
	units, inputs, outputs := wView.Shape[0], wView.Shape[1], vView.Shape[0]
	for k := range units {
		for i := range inputs {
			for o := range outputs {
				sum += math.Abs(ws[k*inputs+i]) * math.Abs(vs[o*units+k])
			}
		}
	}
	return sum
}

// step makes one float64 step of learning rate 1 on the whole shard, and returns start and the gradient that it took.
func step(t *testing.T, job *Job) (start, gradient []float64) {
	t.Helper()
	start = widened[float64](job.Start())
	end := make([]float64, len(start))
	r := &RunnerIn[float64]{Job: job, Algorithm: Algorithm{Rule: FedAvg{LR: 1}}}
	if _, err := r.Round(context.Background(), 1, start, end); err != nil {
		t.Fatal(err)
	}
	for i := range end {
		gradient = append(gradient, start[i]-end[i])
	}
	return start, gradient
}

// objective is the loss of the whole shard and the penalty.
func objective(t *testing.T, job *Job, params []float64, penalty func([]float64) float64) float64 {
	t.Helper()
	score, err := NewEvaluatorIn[float64](job.Net, job.Data.Train, 1).Evaluate(context.Background(), params)
	if err != nil {
		t.Fatal(err)
	}
	return score.Loss + penalty(params)
}

// What a step takes is the derivative of loss and penalty, by finite differences; the reported loss is the data's alone.
func TestPathNormGradient(t *testing.T) {
	for _, c := range []struct {
		skip bool
		w, v string
	}{{false, "0.weight", "2.weight"}, {true, "0.body.0.weight", "0.body.2.weight"}} {
		const factor = 0.3
		layers := relu.Shallow{Input: 6, Width: 5, Output: 3, Slope: 0.1, Skip: c.skip}.Layers()
		job := oneShard(t, layers, 9, Local{Schedule: shard.Schedule{Steps: 1}, SGD: SGD{LR: 1}, PathNorm: factor})
		if err := job.Check(); err != nil {
			t.Fatal(err)
		}
		penalty := func(params []float64) float64 { return factor * pathNorm(job.Net, params, c.w, c.v) }
		start, got := step(t, job)
		for i := range start {
			const h = 1e-6
			at := func(x float64) float64 {
				params := append([]float64(nil), start...)
				params[i] += x
				return objective(t, job, params, penalty)
			}
			// Central differences: h^2 times a third derivative, and rounding of about 2^-52 / h.
			if want := (at(h) - at(-h)) / (2 * h); math.Abs(got[i]-want) > 1e-8 {
				t.Errorf("skip %t: parameter %d has gradient %v, differences give %v", c.skip, i, got[i], want)
			}
		}
		_, facts := train(t, job, job.Start())
		if data := objective(t, job, start, func([]float64) float64 { return 0 }); math.Abs(facts.LossSum-data) > 1e-6 {
			t.Errorf("skip %t: the loss is %v, want that of the data, %v", c.skip, facts.LossSum, data)
		}
	}
}

// The penalty is taken where each step begins, however many steps a task has.
func TestPathNormOfManyStepsIsThatOfEach(t *testing.T) {
	layers := relu.Shallow{Input: 6, Width: 5, Output: 3, Skip: true}.Layers()
	local := Local{Schedule: shard.Schedule{Order: shard.Sequential, Steps: 1}, SGD: SGD{LR: 0.1, WeightDecay: 0.01}, PathNorm: 0.1}
	run := func(steps, rounds int) []float32 {
		l := local
		l.Schedule.Steps = steps
		return runTiny(t, oneShard(t, layers, 9, l), Algorithm{Rule: FedAvg{LR: 1}}, rounds)
	}
	if d := maxDifference(run(12, 1), run(1, 12)); d != 0 {
		t.Errorf("twelve steps in one task and in twelve end %g apart", d)
	}
}

// Clipping bounds the gradient of the loss; the penalty comes after it.
func TestPathNormIsNotClipped(t *testing.T) {
	layers := relu.Shallow{Input: 6, Width: 5, Output: 3}.Layers()
	local := Local{Schedule: shard.Schedule{Steps: 1}, SGD: SGD{LR: 1}, ClipNorm: 1e-9}
	plain := oneShard(t, layers, 9, local)
	local.PathNorm = 2
	penalised := oneShard(t, layers, 9, local)
	_, without := step(t, plain)
	_, with := step(t, penalised)
	largest := 0.0
	for i := range with {
		largest = max(largest, math.Abs(with[i]-without[i]))
	}
	if largest < 0.1 {
		t.Errorf("the penalty's gradient is at most %g after clipping", largest)
	}
}

func TestPathNormNeedsOneHiddenLayer(t *testing.T) {
	for _, layers := range [][]relu.Layer{
		relu.MLP{Input: 6, Output: 3}.Layers(),
		relu.MLP{Input: 6, Hidden: []int{4, 4}, Output: 3}.Layers(),
		relu.MLP{Input: 6, Hidden: []int{4}, Output: 3, Norm: relu.LayerNorms}.Layers(),
	} {
		job := oneShard(t, layers, 9, Local{Schedule: shard.Schedule{Epochs: 1, Batch: 3}, SGD: SGD{LR: 1}, PathNorm: 1})
		if err := job.Check(); !errors.Is(err, ErrJob) {
			t.Errorf("%v: %v, want ErrJob", layers, err)
		}
	}
}
