package localsgd

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// plainMLP is tinyJob's network of widths 6, 8, 5 and 3 by plain loops: an oracle that shares nothing with the engine. Its
// layers hold rows of weights, each with its bias at the end.
type plainMLP [][][]float64

func newPlainMLP[F kernel.Float](job *Job, block []F) plainMLP {
	layout := job.Net.Layout()
	var layers plainMLP
	for i := 0; i < layout.Len(); i += 2 {
		w, b := layout.At(i), layout.At(i+1)
		var rows [][]float64
		for o := range w.Shape[0] {
			var row []float64
			for j := range w.Shape[1] {
				row = append(row, float64(block[w.Offset+o*w.Shape[1]+j]))
			}
			rows = append(rows, append(row, float64(block[b.Offset+o])))
		}
		layers = append(layers, rows)
	}
	return layers
}

// block returns the parameters in the order of blocks.
func (m plainMLP) block() (block []float64) {
	for _, rows := range m {
		for _, row := range rows {
			block = append(block, row[:len(row)-1]...)
		}
		for _, row := range rows {
			block = append(block, row[len(row)-1])
		}
	}
	return block
}

func (m plainMLP) zero() plainMLP {
	var z plainMLP
	for _, rows := range m {
		var zr [][]float64
		for _, row := range rows {
			zr = append(zr, make([]float64, len(row)))
		}
		z = append(z, zr)
	}
	return z
}

// addGradient adds the gradient of cross entropy at one example, times share.
func (m plainMLP) addGradient(grad plainMLP, x []float64, label int, share float64) {
	inputs := [][]float64{append(slices.Clone(x), 1)}
	for l, rows := range m {
		var y []float64
		for _, row := range rows {
			sum := 0.0
			for j, w := range row {
				sum += w * inputs[l][j]
			}
			if l < len(m)-1 {
				sum = max(sum, 0)
			}
			y = append(y, sum)
		}
		inputs = append(inputs, append(y, 1))
	}
	y := inputs[len(m)][:len(m[len(m)-1])]
	total := 0.0
	for _, v := range y {
		total += math.Exp(v)
	}
	dy := make([]float64, len(y))
	for o, v := range y {
		dy[o] = share * math.Exp(v) / total
	}
	dy[label] -= share
	for l := len(m) - 1; l >= 0; l-- {
		dx := make([]float64, len(inputs[l])-1)
		for o, row := range m[l] {
			for j := range row {
				grad[l][o][j] += dy[o] * inputs[l][j]
				if j < len(dx) && inputs[l][j] > 0 {
					dx[j] += dy[o] * row[j]
				}
			}
		}
		dy = dx
	}
}

// sgd makes a step of PyTorch's SGD.
func (m plainMLP) sgd(grad, velocity plainMLP, o SGD) {
	for l, rows := range m {
		for i, row := range rows {
			for j := range row {
				v := &velocity[l][i][j]
				*v = o.Momentum**v + grad[l][i][j] + o.WeightDecay*row[j]
				row[j] -= o.LR * *v
			}
		}
	}
}

// cyclicSGD trains a plain twin of the one-shard job over rounds, with batches of 7 in the shard's order.
func cyclicSGD(job *Job, start []float32, rounds int) []float64 {
	m := newPlainMLP(job, start)
	set, at := job.Data.Train, 0
	for range rounds {
		velocity := m.zero()
		for range job.Local.Schedule.Steps {
			grad := m.zero()
			for range 7 {
				x := make([]float64, set.Size())
				for j := range x {
					x[j] = float64(set.Values[at*set.Size()+j])
				}
				m.addGradient(grad, x, int(set.Labels[at]), 1.0/7)
				at = (at + 1) % set.N
			}
			m.sgd(grad, velocity, job.Local.SGD)
		}
	}
	return m.block()
}

var cyclicLocal = Local{
	Schedule: shard.Schedule{Order: shard.Cyclic, Batch: 7, Steps: 5},
	SGD:      SGD{LR: 0.2, Momentum: 0.5, WeightDecay: 0.01},
}

// The float64 engine with one shard is plain SGD, up to the roundings of float64 in another order.
func TestFloat64RunnerIsPlainSGD(t *testing.T) {
	job := tinyJob(t, 1, cyclicLocal)
	r := RunnerIn[float64]{Job: job, Algorithm: Algorithm{Rule: FedAvg{LR: 1}}}
	got, err := r.Run(context.Background(), 6, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range cyclicSGD(job, job.Start(), 6) {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Fatalf("parameter %d is %v, want %v", i, got[i], want)
		}
	}
}

// A task in float64 ends with the float64 end, rounded once.
func TestFloat64TaskRoundsItsEndOnce(t *testing.T) {
	job := tinyJob(t, 1, cyclicLocal)
	job.Precision = Float64
	start := job.Start()
	end, _ := train(t, job, start)
	for i, want := range cyclicSGD(job, start, 1) {
		// The twin's roundings may move a value over the border between two float32, not further.
		if end[i] != float32(want-1e-12) && end[i] != float32(want+1e-12) {
			t.Fatalf("parameter %d is %v, want %v rounded", i, end[i], want)
		}
	}
}

// Both precisions go the same way, for every optimizer. The bound is that of float32: 6 steps, each with a few roundings
// to 2^-24 of values of about 1, which a loss between its kinks amplifies little; batches are large enough for batch norm.
func TestPrecisionsAgree(t *testing.T) {
	const bound = 6 * 16 * 0x1p-24
	for _, c := range optimizers {
		c.local.Schedule = shard.Schedule{Batch: 20, Epochs: 3}
		job := oneShard(t, everyPlace(), 40, c.local)
		start := job.Start()
		single, facts := train(t, job, start)
		job.Precision = Float64
		double, preciseFacts := train(t, job, start)
		if d := maxDifference(single, double); d > bound || slices.Equal(single, double) {
			t.Errorf("%s: the ends differ by %g, want a difference of at most %g", c.name, d, bound)
		}
		if facts.Steps != preciseFacts.Steps || math.Abs(facts.LossSum-preciseFacts.LossSum) > bound*facts.LossSum {
			t.Errorf("%s: %+v in float32, %+v in float64", c.name, facts, preciseFacts)
		}
	}
}

// The exact mean of float32 ends and the plain mean of float64 ends agree as float32 can, with partial participation, a
// server learning rate and shards of unequal size.
func TestFloat64RoundsAgreeWithExactOnes(t *testing.T) {
	job := tinyJob(t, 4, Local{Schedule: shard.Schedule{Epochs: 2, Batch: 5}, SGD: SGD{LR: 0.1}})
	job.Shards[1] = job.Shards[1][:4]
	job.Precision = Float64
	a := Algorithm{Rule: FedAvg{LR: 0.7}, Participation: Participation{Partial: true, Count: 3}}
	want := runTiny(t, job, a, 4)
	got, err := (&RunnerIn[float64]{Job: job, Algorithm: a}).Run(context.Background(), 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range got {
		if math.Abs(x-float64(want[i])) > 4*8*0x1p-24 {
			t.Fatalf("parameter %d is %v in float64, %v in float32", i, x, want[i])
		}
	}
}

func TestEvaluatorsAgree(t *testing.T) {
	job := tinyJob(t, 1, Local{})
	start := job.Start()
	single, err := NewEvaluator(job.Net, job.Data.Test, 2).Evaluate(context.Background(), start)
	if err != nil {
		t.Fatal(err)
	}
	double, err := NewEvaluatorIn[float64](job.Net, job.Data.Test, 2).Evaluate(context.Background(), widened[float64](start))
	if err != nil {
		t.Fatal(err)
	}
	if single.Accuracy != double.Accuracy || math.Abs(single.Loss-double.Loss) > 1e-6 || single.Loss == double.Loss {
		t.Errorf("%+v in float32, %+v in float64", single, double)
	}
}

// meanOnly is a rule without a form in float64.
type meanOnly struct{}

func (meanOnly) Name() string        { return "mean_only" }
func (meanOnly) TakesMean() bool     { return true }
func (meanOnly) State() []StateBlock { return nil }
func (meanOnly) Step(*ServerStep)    {}

func TestFloat64RunnerNeedsPreciseRules(t *testing.T) {
	job := tinyJob(t, 1, cyclicLocal)
	_, err := (&RunnerIn[float64]{Job: job, Algorithm: Algorithm{Rule: meanOnly{}}}).Run(context.Background(), 1, nil)
	if err == nil || !strings.Contains(err.Error(), "mean_only") {
		t.Errorf("got %v, want an error that names the rule", err)
	}
}

func TestFloat64TaskAllocatesNothing(t *testing.T) {
	job := tinyJob(t, 2, cyclicLocal)
	job.Precision = Float64
	start := job.Start()
	end, trainer := make([]float32, len(start)), NewTrainer(job)
	grid := NewGrid(job.Net.Layout(), start)
	if allocs := testing.AllocsPerRun(5, func() {
		if _, err := trainer.Train(context.Background(), Task{Round: 1}, grid, Blocks{Start: start, End: end}); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 {
		t.Errorf("a task allocates %g times", allocs)
	}
	if tensor.HashBlock(end) == tensor.HashBlock(start) {
		t.Error("nothing was trained")
	}
}
