package localsgd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// tinyJob is a small classification job on keyed Gaussian inputs with labels by a keyed linear rule.
func tinyJob(t testing.TB, shards int, local Local) *Job {
	t.Helper()
	const n, in, classes = 60, 6, 3
	s := keyed.New(11, "tiny")
	train := &shard.Set{Shape: []int{in}, N: n, Classes: classes, Outputs: classes}
	for range n {
		best, label := math.Inf(-1), int32(0)
		x := make([]float32, in)
		for j := range x {
			x[j] = float32(s.Normal())
		}
		for c := range int32(classes) {
			if v := float64(x[c]) - float64(x[c+3]); v > best {
				best, label = v, c
			}
		}
		train.Values = append(train.Values, x...)
		train.Labels = append(train.Labels, label)
	}
	net, err := relu.New(relu.MLP{Input: in, Hidden: []int{8, 5}, Output: classes}.Layers(), []int{in}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	split, err := shard.Split(shard.Contiguous{}, train, shards, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &Job{Seed: 3, Net: net, Init: relu.KaimingUniform, Data: shard.Data{Train: train, Test: train}, Shards: split, Local: local}
}

func runTiny(t testing.TB, job *Job, a Algorithm, rounds int) []float32 {
	t.Helper()
	r := &Runner{Job: job, Algorithm: a}
	model, err := r.Run(context.Background(), rounds, nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(model)
}

func maxDifference(a, b []float32) float64 {
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(float64(a[i])-float64(b[i])))
	}
	return worst
}

// With one shard, FedAvg over rounds is one plain loop of SGD, bit for bit.
func TestOneShardIsPlainSGD(t *testing.T) {
	local := Local{Schedule: shard.Schedule{Order: shard.Cyclic, Batch: 7, Steps: 5}, SGD: SGD{LR: 0.2, WeightDecay: 0.01}}
	job := tinyJob(t, 1, local)
	const rounds = 6
	got := runTiny(t, job, Algorithm{Rule: FedAvg{LR: 1}}, rounds)

	want := job.Start()
	machine := relu.NewMachine[float32](job.Net, 7)
	sgd := &sgdSink[float32]{}
	sgd.reset(local.SGD, want)
	for step := range rounds * 5 {
		var batch []int32
		for j := range 7 {
			batch = append(batch, int32((step*7+j)%60))
		}
		machine.Backward(want, Fill(machine, job.Data.Train, batch), sgd)
	}
	if !slices.Equal(bitsOf(got), bitsOf(want)) {
		t.Errorf("models differ by up to %g", maxDifference(got, want))
	}
}

// Goroutines that share a task's products change no bit, in either precision, and are gone afterwards.
func TestRunDoesNotDependOnThreads(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	local := Local{Schedule: shard.Schedule{Order: shard.Cyclic, Batch: 50, Steps: 3}, SGD: SGD{LR: 0.1, Momentum: 0.9}}
	job := tinyJob(t, 1, local)
	var err error
	job.Net, err = relu.New(relu.MLP{Input: 6, Hidden: []int{208, 210}, Output: 3}.Layers(), []int{6}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	for _, precision := range []Precision{Float32, Float64} {
		job.Precision = precision
		alone := runTiny(t, job, Algorithm{Rule: FedAvg{LR: 1}}, 2)
		for threads := 1; threads <= 3; threads++ {
			r := &Runner{Job: job, Algorithm: Algorithm{Rule: FedAvg{LR: 1}}, Threads: threads}
			model, err := r.Run(context.Background(), 2, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(bitsOf(model), bitsOf(alone)) {
				t.Errorf("other bits on %d threads", threads)
			}
		}
	}
}

// One local step on equal shards, averaged, is one step of mini-batch SGD on the joined batch: the mean of gradients is
// the gradient of the mean.
func TestOneStepEachIsMiniBatchSGD(t *testing.T) {
	const shards, batch, rounds = 4, 5, 12
	joint := tinyJob(t, 1, Local{Schedule: shard.Schedule{Order: shard.Sequential, Steps: 1, Batch: shards * batch}, SGD: SGD{LR: 0.3}})
	want := joint.Start()
	machine := relu.NewMachine[float32](joint.Net, shards*batch)
	sgd := &sgdSink[float32]{}
	sgd.reset(joint.Local.SGD, want)

	split := tinyJob(t, shards, Local{Schedule: shard.Schedule{Order: shard.Cyclic, Steps: 1, Batch: batch}, SGD: SGD{LR: 0.3}})
	got := runTiny(t, split, Algorithm{Rule: FedAvg{LR: 1}}, rounds)
	for round := range rounds {
		var joined []int32
		for k := range shards {
			for j := range batch {
				joined = append(joined, split.Shards[k][(round*batch+j)%len(split.Shards[k])])
			}
		}
		machine.Backward(want, Fill(machine, joint.Data.Train, joined), sgd)
	}
	// Each of the 12 steps rounds every parameter (magnitude below 2) a few times to 2^-24 relative, and a smooth loss
	// amplifies earlier differences by less than a factor of 2 over the whole run.
	const bound = rounds * 8 * 2 * 0x1p-24
	if d := maxDifference(got, want); d > bound || d == 0 {
		t.Errorf("models differ by %g, want more than 0 (the orders of summation differ) and at most %g", d, bound)
	}
}

// Equal shards with equal draws end alike, and the mean of 1, 2 or 4 equal updates is each of them.
func TestEqualUpdatesAverageToThemselves(t *testing.T) {
	for _, n := range []int{1, 2, 4} {
		job := tinyJob(t, n, Local{Schedule: shard.Schedule{Order: shard.Sequential, Batch: 4, Steps: 3}, SGD: SGD{LR: 0.1}})
		for k := range job.Shards {
			job.Shards[k] = job.Shards[0]
		}
		single := *job
		single.Shards = job.Shards[:1]
		got, want := runTiny(t, job, Algorithm{Rule: FedAvg{LR: 1}}, 1), runTiny(t, &single, Algorithm{Rule: FedAvg{LR: 1}}, 1)
		// Values that need more bits than the grid has lose them: half a quantum, 2^-53.
		if d := maxDifference(got, want); d > 0x1p-53 {
			t.Errorf("mean of %d equal updates differs by %g from each", n, d)
		}
	}
}

func TestDivergenceNamesTheTask(t *testing.T) {
	job := tinyJob(t, 3, Local{Schedule: shard.Schedule{Epochs: 1, Batch: 5}, SGD: SGD{LR: 1e12}})
	r := &Runner{Job: job, Algorithm: Algorithm{Rule: FedAvg{LR: 1}}}
	_, err := r.Run(context.Background(), 3, nil)
	var diverged *DivergedError
	if !errors.As(err, &diverged) || !errors.Is(err, ErrDiverged) {
		t.Fatalf("got %v, want a divergence", err)
	}
	if diverged.Round != 1 || diverged.Shard != 0 || diverged.Step < 1 {
		t.Errorf("diverged in round %d, shard %d, step %d", diverged.Round, diverged.Shard, diverged.Step)
	}
}

func TestTrainerStopsBetweenSteps(t *testing.T) {
	job := tinyJob(t, 1, Local{Schedule: shard.Schedule{Steps: 1 << 30, Batch: 5}, SGD: SGD{LR: 0.1}})
	start := job.Start()
	end := make([]float32, len(start))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f, err := NewTrainer(job).Train(ctx, Task{Round: 1}, NewGrid(job.Net.Layout(), start), Blocks{Start: start, End: end})
	if !errors.Is(err, context.Canceled) || f.Steps != 0 {
		t.Errorf("%d steps, %v", f.Steps, err)
	}
}

func TestTaskAllocatesNothing(t *testing.T) {
	for _, sgd := range []SGD{{LR: 0.1}, {LR: 0.1, Momentum: 0.9, Nesterov: true, WeightDecay: 0.01}} {
		job := tinyJob(t, 2, Local{Schedule: shard.Schedule{Epochs: 2, Batch: 7}, SGD: sgd})
		start := job.Start()
		end := make([]float32, len(start))
		grid, trainer := NewGrid(job.Net.Layout(), start), NewTrainer(job)
		allocs := testing.AllocsPerRun(20, func() {
			if _, err := trainer.Train(context.Background(), Task{Round: 1, Shard: 1}, grid, Blocks{Start: start, End: end}); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%+v: a task of 10 steps allocates %g times", sgd, allocs)
		}
	}
}

var update = flag.Bool("update", false, "write the golden hashes anew; raise Numerics when they change")

// The models of tiny runs, bit for bit and by every kernel. When this test fails and the change is meant, raise Numerics,
// and run it with -update.
func TestNumericsVersion(t *testing.T) {
	path := filepath.Join("testdata", "numerics.txt")
	if *update {
		if err := os.WriteFile(path, []byte(tinyModels(t)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before := kernel.InUse()
	defer func() { _ = kernel.Use(before) }()
	for _, name := range kernel.Available() {
		if err := kernel.Use(name); err != nil {
			t.Fatal(err)
		}
		if got := tinyModels(t); got != string(want) {
			t.Errorf("%s: the bits of tiny runs have changed: raise localsgd.Numerics, then run this test with -update\ngot\n%swant\n%s", name, got, want)
		}
	}
}

// tinyModels returns the numerics version and the hashes of models that tiny runs end with.
func tinyModels(t *testing.T) string {
	var b strings.Builder
	fmt.Fprintf(&b, "numerics %d\n", Numerics-kernel.Reordered)
	for _, c := range []struct {
		name  string
		local Local
		algo  Algorithm
	}{
		{"fedavg shuffle", Local{Schedule: shard.Schedule{Epochs: 2, Batch: 4}, SGD: SGD{LR: 0.1}},
			Algorithm{Rule: FedAvg{LR: 1}}},
		{"server lr, partial, momentum", Local{Schedule: shard.Schedule{Steps: 7, Batch: 3}, SGD: SGD{LR: 0.05, Momentum: 0.9, Nesterov: true, WeightDecay: 0.001}},
			Algorithm{Rule: FedAvg{LR: 0.7}, Participation: Participation{Partial: true, Fraction: 0.5}}},
		{"replacement, uniform", Local{Schedule: shard.Schedule{Order: shard.Replacement, Steps: 5, Batch: 6}, SGD: SGD{LR: 0.2, WeightDecay: 0.01}},
			Algorithm{Rule: FedAvg{LR: 1}, Weighting: Uniform}},
	} {
		job := tinyJob(t, 7, c.local)
		fmt.Fprintf(&b, "%s: %s\n", c.name, tensor.HashBlock(runTiny(t, job, c.algo, 5)))
	}
	for _, c := range remembering {
		r := rememberingRunner(t, c.local, c.rule, Float32)
		if _, err := r.Run(context.Background(), 5, nil); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: %s\n", c.name, tensor.HashBlock(r.State().Block))
	}
	async := asyncRunner(t)
	if _, err := async.Run(context.Background(), 12, nil); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "fedbuff: %s\n", tensor.HashBlock(async.State().Block))
	return b.String()
}

// Wide enough that goroutines which shared more than the parameters would disturb each other.
func TestEvaluateDoesNotDependOnGoroutines(t *testing.T) {
	job := tinyJob(t, 1, Local{})
	big := *job.Data.Train
	for range 6 {
		big.Values = append(big.Values, big.Values...)
		big.Labels = append(big.Labels, big.Labels...)
		big.N *= 2
	}
	net, err := relu.New(relu.MLP{Input: 6, Hidden: []int{300, 200}, Output: 3}.Layers(), []int{6}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	params := make([]float32, net.Parameters())
	net.Initialize(params, job.Init, 7)
	var scores []Score
	for _, parallel := range []int{1, 2, 3, 7} {
		e := NewEvaluator(net, &big, parallel)
		for range 3 {
			s, err := e.Evaluate(context.Background(), params)
			if err != nil {
				t.Fatal(err)
			}
			scores = append(scores, s)
		}
	}
	for _, s := range scores {
		if s != scores[0] {
			t.Errorf("scores %v", scores)
		}
	}
}
