package study

import (
	"context"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// jobs are rounds of all kinds.
func jobs(t *testing.T) map[string]Input {
	t.Helper()
	norm := func(n int) relu.BatchNorm {
		return relu.BatchNorm{Features: n, Dims: 2, Eps: relu.DefaultEps, Momentum: relu.DefaultMomentum}
	}
	images := []relu.Layer{
		relu.Conv2D{In: 1, Out: 4, Kernel: 3, Stride: 1, Padding: 1}, norm(4), relu.ReLU{Slope: 0.1},
		relu.Residual{Body: []relu.Layer{relu.Conv2D{In: 4, Out: 4, Kernel: 1, Stride: 1, Bias: true}, relu.ReLU{}}},
		relu.GlobalAvgPool2D{}, relu.Linear{In: 4, Out: 3, Bias: true},
	}
	all := make(map[string]Input)
	for name, change := range map[string]func(*localsgd.Job, *localsgd.Algorithm){
		"images": func(j *localsgd.Job, _ *localsgd.Algorithm) {
			net, err := relu.New(images, []int{1, 2, 3}, relu.CrossEntropy)
			if err != nil {
				t.Fatal(err)
			}
			j.Net = net
		},
		"float64": func(j *localsgd.Job, _ *localsgd.Algorithm) { j.Precision = localsgd.Float64 },
		"adamw": func(j *localsgd.Job, _ *localsgd.Algorithm) {
			j.Local.AdamW = &localsgd.AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}
		},
		"fednova": func(j *localsgd.Job, a *localsgd.Algorithm) {
			a.Rule = localsgd.FedNova{}
			j.Local.Schedule = shard.Schedule{Epochs: 2, Batch: 5}
		},
		"median": func(_ *localsgd.Job, a *localsgd.Algorithm) { a.Rule = localsgd.Median{} },
		"one shard": func(_ *localsgd.Job, a *localsgd.Algorithm) {
			a.Participation = localsgd.Participation{Partial: true, Count: 1}
		},
		"whole shard": func(j *localsgd.Job, _ *localsgd.Algorithm) { j.Local.Schedule = shard.Schedule{Epochs: 2} },
		"no decay":    func(j *localsgd.Job, _ *localsgd.Algorithm) { j.Local.SGD.WeightDecay = 0 },
		"linear": func(j *localsgd.Job, _ *localsgd.Algorithm) {
			net, err := relu.New(relu.MLP{Input: 6, Output: 3}.Layers(), []int{6}, relu.CrossEntropy)
			if err != nil {
				t.Fatal(err)
			}
			j.Net = net
		},
	} {
		job, a := smallJob(t), everyone
		change(job, &a)
		in := roundOf(t, job, a)
		in.Draws, in.MaxSide = 2, 7
		all[name] = in
	}
	return all
}

// Every study of every job says something, or why not.
func TestEveryStudyOfEveryJob(t *testing.T) {
	defer goleak.VerifyNone(t)
	for name, in := range jobs(t) {
		start, next := tensor.HashBlock(in.Start), tensor.HashBlock(in.Next)
		for _, s := range All() {
			got := measure(t, in, s)
			if len(got.readings)+len(got.missing) == 0 {
				t.Errorf("%s: %s says nothing", name, s)
			}
			seen := map[Reading]bool{}
			for _, r := range got.readings {
				r.Value = 0
				if seen[r] {
					t.Errorf("%s: %s says %+v twice", name, s, r)
				}
				seen[r] = true
			}
			for _, m := range got.missing {
				if strings.TrimSpace(m.Reason) == "" || m.Quantity == "" {
					t.Errorf("%s: %s: missing %+v", name, s, m)
				}
			}
		}
		if tensor.HashBlock(in.Start) != start || tensor.HashBlock(in.Next) != next {
			t.Errorf("%s: measuring changed a model", name)
		}
	}
}

// A round that is stopped in the middle of the saw-tooth leaves no goroutine.
func TestSawtoothThatFails(t *testing.T) {
	defer goleak.VerifyNone(t)
	in := roundOf(t, smallJob(t), everyone)
	job := *in.Job
	job.Local.SGD.LR = 1e30 // diverges in its second step
	in.Job = &job
	in.Want = []Study{Sawtooth}
	if _, _, err := Round(context.Background(), in); err == nil {
		t.Error("a task that diverges is no error")
	}
}
