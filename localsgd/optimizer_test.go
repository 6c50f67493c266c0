package localsgd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func TestAdamWWithClippingAgreesWithPyTorch(t *testing.T) {
	dir := filepath.Join("relu", "testdata", "reference", "mlp_adamw_clip")
	var c struct {
		referenceCase
		ClipNorm float64 `json:"clip_norm"`
	}
	readJSON(t, filepath.Join(dir, "case.json"), &c)
	data := readTensors(t, filepath.Join(dir, "data.safetensors"))
	c.Shards = []int{len(data["y"])}
	job := referenceJob(t, c.referenceCase, data)
	job.Local = c.local()
	job.Local.ClipNorm = c.ClipNorm
	start := blockOf(t, job.Net.Layout(), readTensors(t, filepath.Join(dir, "init.safetensors")), "")
	want := readTensors(t, filepath.Join(dir, "expected.safetensors"))
	end, facts := train(t, job, start)
	var worst deviation
	worst.take(job.Net.Layout(), 1, end, blockOf(t, job.Net.Layout(), want, "after."))
	t.Logf("worst deviation: %.2g of the largest value, in %s", worst.relative, worst.where)
	if worst.relative > referenceTolerance {
		t.Errorf("deviates by %g in %s, want at most %g", worst.relative, worst.where, referenceTolerance)
	}
	sum := 0.0
	for _, loss := range want["losses"] {
		sum += float64(loss)
	}
	if math.Abs(facts.LossSum-sum) > referenceTolerance*sum {
		t.Errorf("losses sum to %v, want %v", facts.LossSum, sum)
	}
}

func train(t *testing.T, job *Job, start []float32) ([]float32, Facts) {
	t.Helper()
	if err := job.Check(); err != nil {
		t.Fatal(err)
	}
	end := make([]float32, len(start))
	f, err := NewTrainer(job).Train(context.Background(), Task{Round: 1}, NewGrid(job.Net.Layout(), start), Blocks{Start: start, End: end})
	if err != nil {
		t.Fatal(err)
	}
	return end, f
}

// oneShard is a job of one shard of n random examples of 6 numbers in 3 classes.
func oneShard(t *testing.T, layers []relu.Layer, n int, local Local) *Job {
	t.Helper()
	net, err := relu.New(layers, []int{6}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	set := &shard.Set{Shape: []int{6}, N: n, Classes: 3, Outputs: 3}
	examples := make([]int32, n)
	for i := range n {
		examples[i] = int32(i)
		set.Labels = append(set.Labels, int32(i%3))
		for j := range 6 {
			set.Values = append(set.Values, float32(math.Sin(float64(7*i+j*j))))
		}
	}
	return &Job{Seed: 1, Net: net, Data: shard.Data{Train: set}, Shards: shard.Shards{examples}, Local: local}
}

func TestFreezeAndNoDecayChooseTensors(t *testing.T) {
	layers := relu.MLP{Input: 6, Hidden: []int{5}, Output: 3}.Layers()
	schedule := shard.Schedule{Order: shard.Sequential, Batch: 4, Steps: 1}
	for _, optimizer := range []string{"sgd", "adamw"} {
		for _, clip := range []float64{0, 1e9, 0.01} {
			local := Local{Schedule: schedule, ClipNorm: clip}
			decayed := func(rate float64, noDecay ...string) []float32 {
				l := local
				l.Freeze = []string{"2.weight"}
				l.SGD = SGD{LR: 0.1, WeightDecay: rate, NoDecay: noDecay}
				if optimizer == "adamw" {
					l.AdamW = &AdamW{LR: 0.1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: rate, NoDecay: noDecay}
				}
				job := oneShard(t, layers, 8, l)
				end, _ := train(t, job, job.Start())
				return end
			}
			job := oneShard(t, layers, 8, local)
			start := job.Start()
			plain, all, some := decayed(0), decayed(0.5), decayed(0.5, "*.bias")
			for i := range job.Net.Layout().Len() {
				v := job.Net.Layout().At(i)
				of := func(block []float32) []float32 { return tensor.Of(block, v) }
				want := of(all)
				if v.Name == "2.weight" {
					want = of(start)
				} else if strings.HasSuffix(v.Name, "bias") {
					want = of(plain)
				}
				if !slices.Equal(of(some), want) {
					t.Errorf("%s with clip_norm %v: %s is not what it should be", optimizer, clip, v.Name)
				}
				if v.Name != "2.weight" && slices.Equal(of(plain), of(all)) {
					t.Errorf("%s: weight decay does nothing to %s", optimizer, v.Name)
				}
			}
		}
	}
}

// The norm of a clipped SGD step of rate 1 is the bound, over all tensors that are not frozen.
func TestClippingBoundsTheStep(t *testing.T) {
	layers := relu.MLP{Input: 6, Hidden: []int{5}, Output: 3}.Layers()
	for _, freeze := range [][]string{nil, {"0.*"}} {
		job := oneShard(t, layers, 8, Local{
			Schedule: shard.Schedule{Order: shard.Sequential, Batch: 8, Steps: 1}, SGD: SGD{LR: 1}, ClipNorm: 0.0625, Freeze: freeze,
		})
		start := job.Start()
		end, _ := train(t, job, start)
		square := 0.0
		for i, v := range end {
			d := float64(v) - float64(start[i])
			square += d * d
		}
		if norm := math.Sqrt(square); math.Abs(norm-0.0625) > 1e-5 {
			t.Errorf("freeze %v: the step has norm %v, want 0.0625", freeze, norm)
		}
	}
}

func TestRates(t *testing.T) {
	for _, c := range []struct {
		name  string
		local Local
		want  []float64 // of rounds 1, 2, ...
	}{
		{"constant", Local{}, []float64{0.8, 0.8, 0.8}},
		{"step", Local{Rates: StepLR{Size: 2, Gamma: 0.5}}, []float64{0.8, 0.8, 0.4, 0.4, 0.2}},
		{"exponential", Local{Rates: ExponentialLR{Gamma: 0.9}}, []float64{0.8, 0.72, 0.648, 0.5832}},
		{"cosine", Local{Rates: CosineLR{Rounds: 4, Min: 0.1}}, []float64{0.8, 0.1 + 0.7*(1+math.Sqrt2/2)/2, 0.45, 0.1 + 0.7*(1-math.Sqrt2/2)/2, 0.1, 0.1}},
		{"warm-up", Local{Warmup: Warmup{Rounds: 4, Start: 0.25}}, []float64{0.2, 0.35, 0.5, 0.65, 0.8, 0.8}},
		{"both", Local{Rates: StepLR{Size: 1, Gamma: 0.5}, Warmup: Warmup{Rounds: 2}}, []float64{0, 0.2, 0.2, 0.1}},
	} {
		for i, want := range c.want {
			if got := c.local.rate(0.8, i+1); math.Abs(got-want) > 1e-15 {
				t.Errorf("%s: round %d has rate %v, want %v", c.name, i+1, got, want)
			}
		}
	}
}

// A round's tasks use the round's rate: a rate of 0 changes nothing.
func TestTasksUseTheRateOfTheirRound(t *testing.T) {
	for _, adam := range []bool{false, true} {
		job := oneShard(t, relu.MLP{Input: 6, Output: 3}.Layers(), 8, Local{
			Schedule: shard.Schedule{Batch: 4, Epochs: 1}, SGD: SGD{LR: 0.1}, Warmup: Warmup{Rounds: 1},
		})
		if adam {
			job.Local.AdamW = &AdamW{LR: 0.1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}
		}
		start := job.Start()
		if end, _ := train(t, job, start); !slices.Equal(start, end) {
			t.Errorf("adamw %t: a round of rate 0 changed the model", adam)
		}
	}
}

// batchNormLayers are those of the reference case fed_batchnorm_fedadam.
func batchNormLayers() []relu.Layer {
	return []relu.Layer{
		relu.Linear{In: 6, Out: 5, Bias: true}, relu.BatchNorm{Features: 5, Dims: 1, Eps: 1e-5, Momentum: 0.1},
		relu.ReLU{}, relu.Linear{In: 5, Out: 3, Bias: true},
	}
}

func TestBatchNormNeverTrainsOnOneExample(t *testing.T) {
	for _, c := range []struct {
		examples, batch, epochs, steps int
		wantSteps                      int // 0: refused
	}{
		{9, 4, 2, 0, 4},
		{10, 4, 1, 0, 3},
		{9, 0, 1, 0, 1},
		{9, 4, 0, 5, 5},
		{1, 4, 0, 2, 2},
		{9, 1, 1, 0, 0},
		{9, 1, 0, 3, 0},
		{1, 4, 1, 0, 0},
		{1, 0, 0, 3, 0},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			job := oneShard(t, batchNormLayers(), c.examples, Local{
				Schedule: shard.Schedule{Batch: c.batch, Epochs: c.epochs, Steps: c.steps}, SGD: SGD{LR: 0.1},
			})
			if c.wantSteps == 0 {
				if err := job.Check(); !errors.Is(err, ErrJob) || !strings.Contains(err.Error(), "batch_norm needs at least two") {
					t.Errorf("error %v", err)
				}
				return
			}
			_, f := train(t, job, job.Start())
			if want := job.Local.Schedule.TotalExamples(c.examples); f.Steps != c.wantSteps || f.Examples != want {
				t.Errorf("%d steps of %d examples, want %d of %d", f.Steps, f.Examples, c.wantSteps, want)
			}
		})
	}
}

func TestGlobsThatFitNothingAreRefused(t *testing.T) {
	for _, local := range []Local{
		{Freeze: []string{"0.weight", "7.*"}},
		{SGD: SGD{NoDecay: []string{"bias"}}},
		{AdamW: &AdamW{NoDecay: []string{"["}}},
	} {
		local.Schedule = shard.Schedule{Batch: 1, Epochs: 1}
		job := oneShard(t, relu.MLP{Input: 6, Output: 3}.Layers(), 2, local)
		if err := job.Check(); !errors.Is(err, ErrJob) || !strings.Contains(err.Error(), "fits no tensor") {
			t.Errorf("error %v", err)
		}
	}
}

// Whatever the rule, running statistics take the mean of the updates.
func TestBuffersTakeTheMean(t *testing.T) {
	job := oneShard(t, batchNormLayers(), 8, Local{Schedule: shard.Schedule{Batch: 4, Epochs: 1}, SGD: SGD{LR: 0.1}})
	start := job.Start()
	end, _ := train(t, job, start)
	for _, rule := range []FedAvg{{LR: 1}, {LR: 0.25}, {LR: 40}} {
		sum := &Sum{}
		sum.Reset(NewGrid(job.Net.Layout(), start))
		if err := sum.Add(Share{Weight: Weights([]int{8}, Uniform)[0]}, end); err != nil {
			t.Fatal(err)
		}
		next := make([]float32, len(start))
		if err := (Algorithm{Rule: rule}).Finish(job, Plan{}, sum, start, next); err != nil {
			t.Fatal(err)
		}
		for i := range job.Net.Layout().Len() {
			v := job.Net.Layout().At(i)
			if slices.Equal(tensor.Of(start, v), tensor.Of(end, v)) {
				continue // a bias before batch norm has no gradient
			}
			if taken := slices.Equal(tensor.Of(next, v), tensor.Of(end, v)); taken != (v.Buffer || rule.LR == 1) {
				t.Errorf("lr %v: %s is the mean: %t", rule.LR, v.Name, taken)
			}
		}
	}
}

// No optimizer, decay, bound or pull reaches running statistics: where the weights below them are frozen, they end as if
// nobody had updated anything.
func TestOptimizersLeaveBuffersAlone(t *testing.T) {
	schedule := shard.Schedule{Order: shard.Sequential, Batch: 4, Steps: 5}
	discarded := oneShard(t, batchNormLayers(), 8, Local{Schedule: schedule})
	want := discarded.Start()
	machine := relu.NewMachine[float32](discarded.Net, 4)
	for step := range 5 {
		batch := []int32{0, 1, 2, 3}
		if step%2 == 1 {
			batch = []int32{4, 5, 6, 7}
		}
		machine.Backward(want, Fill(machine, discarded.Data.Train, batch), discard{})
	}
	for _, c := range optimizers {
		local := c.local
		local.Schedule, local.Freeze, local.ProxMu = schedule, []string{"0.*", "1.running_*"}, 3
		local.SGD.NoDecay, local.SGD.LR = nil, 0.1
		if a := local.AdamW; a != nil {
			local.AdamW = &AdamW{LR: a.LR, Beta1: a.Beta1, Beta2: a.Beta2, Eps: a.Eps, WeightDecay: 0.5}
		}
		for _, globs := range [][]string{local.Freeze, {"0.*"}} { // nothing holds them still
			local.Freeze = globs
			job := oneShard(t, batchNormLayers(), 8, local)
			end, _ := train(t, job, job.Start())
			for i := range job.Net.Layout().Len() {
				v := job.Net.Layout().At(i)
				if v.Buffer && !slices.Equal(tensor.Of(end, v), tensor.Of(want, v)) {
					t.Errorf("%s: %s is %v, want %v", c.name, v.Name, tensor.Of(end, v), tensor.Of(want, v))
				}
			}
		}
	}
}

// discard takes a gradient and does nothing with it.
type discard struct{}

// Gradient implements relu.Sink.
func (discard) Gradient(int, []float32) {}

func TestNoOptimizerAllocatesInAStep(t *testing.T) {
	for name, local := range map[string]Local{
		"sgd":    {SGD: SGD{LR: 0.1, Momentum: 0.9}},
		"globs":  {SGD: SGD{LR: 0.1, WeightDecay: 0.1, NoDecay: []string{"*.bias"}}},
		"adamw":  {AdamW: &AdamW{LR: 0.1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}},
		"clip":   {SGD: SGD{LR: 0.1}, ClipNorm: 1},
		"prox":   {SGD: SGD{LR: 0.1}, ProxMu: 1, ClipUpdate: 1},
		"frozen": {AdamW: &AdamW{LR: 0.1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}, ClipNorm: 1, Freeze: []string{"0.*"}},
	} {
		local.Schedule = shard.Schedule{Batch: 4, Epochs: 3}
		job := oneShard(t, batchNormLayers(), 13, local)
		trainer := NewTrainer(job)
		start, end := job.Start(), make([]float32, job.Net.Parameters())
		grid := NewGrid(job.Net.Layout(), start)
		if n := testing.AllocsPerRun(5, func() {
			_, _ = trainer.Train(context.Background(), Task{Round: 1}, grid, Blocks{Start: start, End: end})
		}); n != 0 {
			t.Errorf("%s: a task of nine steps allocates %v times", name, n)
		}
	}
}
