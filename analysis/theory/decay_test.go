package theory

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// regression is Z1 of PAPERS.md 3.5: a linear model on ten points in thirty dimensions.
type regression struct {
	x, y, w []float64
}

const (
	inputs, points, targets = 30, 10, 3
	rate, lambda            = 0.05, 0.1
)

func newRegression() *regression {
	stream := keyed.New(1, "Z1")
	r := &regression{x: vector(stream, points*inputs), y: vector(stream, points*targets), w: vector(stream, targets*inputs)}
	for i := range r.x {
		r.x[i] /= math.Sqrt(inputs)
	}
	return r
}

// step descends on (1/B) sum ||W x - y||^2 + lambda ||W||^2 over a batch.
func (r *regression) step(w []float64, batch []int32) {
	gradient := make([]float64, len(w))
	for _, i := range batch {
		x := r.x[int(i)*inputs:][:inputs]
		for o := range targets {
			residual := -r.y[int(i)*targets+o]
			for j, v := range x {
				residual += w[o*inputs+j] * v
			}
			for j, v := range x {
				gradient[o*inputs+j] += 2 * residual * v / float64(len(batch))
			}
		}
	}
	for i := range w {
		w[i] -= rate * (gradient[i] + 2*lambda*w[i])
	}
}

// Z1: over 20 epochs the part outside of the data shrinks by 0.99 a step, in any order of batches, to five digits and more.
func TestOutsideDecaysExactly(t *testing.T) {
	space := NewRange(newRegression().x, inputs)
	if space.Rank() != points {
		t.Fatalf("rank %d", space.Rank())
	}
	for batch, want := range map[int]float64{1: 0.13398, 2: 0.36603, 5: 0.66897, 10: 0.81791} {
		for _, cyclic := range []bool{false, true} {
			r := newRegression()
			start := space.Outside(r.w)
			stream := keyed.New(2, "Z1")
			order := stream.Perm(points)
			factor := 1.0
			for range 20 {
				if !cyclic {
					stream.Shuffle(order)
				}
				for b := range slices.Chunk(order, batch) {
					r.step(r.w, b)
					factor *= Memory{WeightDecay: 2 * lambda}.Local([]float64{rate})
				}
			}
			got := space.Outside(r.w) / start
			if math.Abs(got-want) > 5e-6 {
				t.Errorf("B=%d, cyclic %v: ratio %.6f, want %.5f", batch, cyclic, got, want)
			}
			if d := Compare(start, factor, got*start); *d.Relative > 1e-12 {
				t.Errorf("B=%d, cyclic %v: relative error %g", batch, cyclic, *d.Relative)
			}
		}
	}
}

// The same through averaging: K = 4 workers on overlapping parts of the data, H = 5, any server rate (3.2 items 5 and 7).
func TestOutsideDecaysThroughAveraging(t *testing.T) {
	r := newRegression()
	space := NewRange(r.x, inputs)
	start, factor := space.Outside(r.w), 1.0
	stream := keyed.New(3, "Z1")
	for range 8 {
		var ends [][]float64
		for k := range 4 {
			w := slices.Clone(r.w)
			for range 5 {
				r.step(w, []int32{int32((2*k + stream.Below(4)) % points)})
			}
			ends = append(ends, w)
		}
		local := Memory{WeightDecay: 2 * lambda}.Local([]float64{rate, rate, rate, rate, rate})
		factor *= RoundDecay([]float64{1, 1, 1, 1}, []float64{local, local, local, local}, 0.8)
		for i, v := range mean(ends) {
			r.w[i] -= 0.8 * (r.w[i] - v)
		}
	}
	if d := Compare(start, factor, space.Outside(r.w)); *d.Relative > 1e-12 {
		t.Errorf("relative error %g", *d.Relative)
	}
	if d := Compare(0, 1, 0); d.Relative != nil {
		t.Error("0/0")
	}
}

func TestRangeOfDependentInputs(t *testing.T) {
	space := NewRange([]float64{3, 0, 0, 0, 0, 0, 1, 1, 0, -2, -2, 0}, 3)
	if space.Rank() != 2 {
		t.Errorf("rank %d", space.Rank())
	}
	near(t, "outside", space.Outside([]float64{7, 8, 3, 1, 1, 4}), 5, 1e-14)
}

// P3.8 in a real run: the columns of dead inputs shrink exactly under Local SGD on a ReLU network, to 1e-5 in float32.
func TestDeadColumnsDecayInARun(t *testing.T) {
	const examples = 40
	set := &shard.Set{Shape: []int{6}, N: examples, Classes: 3, Outputs: 3, Labels: make([]int32, examples), Values: make([]float32, 6*examples)}
	stream := keyed.New(1, "dead inputs")
	for i := range set.Values {
		if j := i % 6; j != 2 && j != 5 {
			set.Values[i] = stream.Float32()
		}
	}
	for i := range set.Labels {
		set.Labels[i] = int32(stream.Below(3))
	}
	set.Values[5*6+5] = 0.5 // alive in one example
	dead := DeadInputs(set, nil)
	if !slices.Equal(dead, []int{2}) || !slices.Equal(DeadInputs(set, []int32{0, 1, 2, 3, 4}), []int{2, 5}) {
		t.Fatalf("dead inputs %v", dead)
	}
	net, err := relu.New(relu.MLP{Input: 6, Hidden: []int{16}, Output: 3}.Layers(), []int{6}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	shards, err := shard.Split(shard.IID{}, set, 4, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	job := &localsgd.Job{Seed: 1, Net: net, Data: shard.Data{Train: set}, Shards: shards,
		Local: localsgd.Local{Schedule: shard.Schedule{Steps: 5, Batch: 4}, SGD: localsgd.SGD{LR: 0.1, WeightDecay: 0.05}}}
	runner := localsgd.Runner{Job: job, Algorithm: localsgd.Algorithm{Rule: localsgd.FedAvg{LR: 1}}}
	weight, _ := net.Layout().Lookup("0.weight")
	initial := ColumnNorm(job.Start(), weight, dead)
	factor := 1.0
	_, err = runner.Run(context.Background(), 20, func(_ localsgd.RoundFacts, model []float32) error {
		factor *= Memory{WeightDecay: 0.05}.Local([]float64{0.1, 0.1, 0.1, 0.1, 0.1})
		if d := Compare(initial, factor, ColumnNorm(model, weight, dead)); *d.Relative > 1e-5 {
			t.Errorf("norm %g, predicted %g: relative error %g", d.Measured, d.Predicted, *d.Relative)
		}
		if d := Compare(initial, factor, ColumnNorm(model, weight, []int{0})); *d.Relative < 1e-3 {
			t.Error("the column of a live input decays as if it were dead")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
