package localsgd

import (
	"context"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// everyPlace has linear layers wherever one can be: first, in a body before and after an activation, as a shortcut, in a
// residual layer inside another, last. Between them are layers whose parameters are not held.
func everyPlace() []relu.Layer {
	return []relu.Layer{
		relu.Linear{In: 6, Out: 9, Bias: true}, relu.ReLU{}, // 0, 1
		relu.Residual{ // 2.body.0, ..., 2.shortcut.0
			Body: []relu.Layer{
				relu.BatchNorm{Features: 9, Dims: 1, Eps: 1e-5, Momentum: 0.1}, relu.ReLU{},
				relu.Linear{In: 9, Out: 7}, relu.ReLU{}, relu.Linear{In: 7, Out: 8, Bias: true},
				relu.Residual{Body: []relu.Layer{relu.Linear{In: 8, Out: 8, Bias: true}}},
			},
			Shortcut: []relu.Layer{relu.Linear{In: 9, Out: 8}},
		},
		relu.ReLU{Slope: 0.1}, relu.LayerNorm{Features: 8, Eps: 1e-5}, relu.Linear{In: 8, Out: 3, Bias: true}, // 3, 4, 5
	}
}

// optimizers are ways to update, with what says whether linear layers may do it themselves.
var optimizers = []struct {
	name  string
	local Local
	steps bool
}{
	{"plain", Local{SGD: SGD{LR: 0.1}}, true},
	{"decay", Local{SGD: SGD{LR: 0.1, WeightDecay: 0.1}}, true},
	{"momentum", Local{SGD: SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 0.1}}, true},
	{"nesterov", Local{SGD: SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 0.1, Nesterov: true}}, true},
	{"no decay of norms", Local{SGD: SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 0.1, NoDecay: []string{"4.*"}}}, true},
	{"frozen norm", Local{SGD: SGD{LR: 0.1, WeightDecay: 0.1}, Freeze: []string{"4.weight"}}, true},
	{"no decay of biases", Local{SGD: SGD{LR: 0.1, WeightDecay: 0.1, NoDecay: []string{"*.bias"}}}, false},
	{"no decay of the last bias", Local{SGD: SGD{LR: 0.1, WeightDecay: 0.1, NoDecay: []string{"5.bias"}}}, false},
	{"frozen", Local{SGD: SGD{LR: 0.1, Momentum: 0.9}, Freeze: []string{"0.weight"}}, false},
	{"clipped", Local{SGD: SGD{LR: 0.1}, ClipNorm: 0.5}, false},
	{"clipped, no decay of norms", Local{SGD: SGD{LR: 0.1, WeightDecay: 0.1, NoDecay: []string{"4.*"}}, ClipNorm: 0.5}, false},
	{"adamw", Local{AdamW: &AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1}}, false},
	{"adamw, clipped, frozen", Local{AdamW: &AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1, NoDecay: []string{"4.*"}}, ClipNorm: 0.5, Freeze: []string{"5.*"}}, false},
}

func TestLinearLayersStepThemselvesOnlyUnderPlainSGD(t *testing.T) {
	for _, c := range optimizers {
		job := oneShard(t, everyPlace(), 8, c.local)
		if _, steps := newOptimizer[float32](job.Net, job.Local).first.(relu.Stepper[float32]); steps != c.steps {
			t.Errorf("%s: linear layers may step themselves: %t, want %t", c.name, steps, c.steps)
		}
	}
}

// Whether a machine holds the parameters during a task changes no bit, whatever the optimizer, also in a second task of
// the same trainer.
func TestHoldingChangesNoBit(t *testing.T) {
	for _, c := range optimizers {
		t.Run(c.name, func(t *testing.T) {
			c.local.Schedule = shard.Schedule{Batch: 4, Epochs: 3}
			job := oneShard(t, everyPlace(), 14, c.local)
			if err := job.Check(); err != nil {
				t.Fatal(err)
			}
			start := job.Start()
			held, loose := NewTrainer(job), newSolver[float32](job)
			got, want := make([]float32, len(start)), slices.Clone(start)
			for round := 1; round <= 2; round++ {
				task := Task{Round: round}
				facts, err := held.Train(context.Background(), task, NewGrid(job.Net.Layout(), start), Blocks{Start: start, End: got})
				if err != nil {
					t.Fatal(err)
				}
				loose.opt.reset(round, want)
				loose.walk.Reset(job.Seed, round, 0, job.Shards[0], job.schedule())
				wantFacts, err := loose.steps(context.Background(), task, want)
				if err != nil {
					t.Fatal(err)
				}
				if facts != wantFacts {
					t.Errorf("round %d: %+v, want %+v", round, facts, wantFacts)
				}
				if !slices.Equal(got, want) {
					t.Errorf("round %d: holding gives other parameters", round)
				}
				copy(start, got)
			}
		})
	}
}

// A task that ends early leaves nothing held: the trainer's next task is like that of a new one.
func TestTrainersForgetBrokenTasks(t *testing.T) {
	job := oneShard(t, everyPlace(), 12, Local{
		Schedule: shard.Schedule{Batch: 4, Epochs: 1}, SGD: SGD{LR: 0.1, Momentum: 0.9},
	})
	start := job.Start()
	trainer := NewTrainer(job)
	other, end := make([]float32, len(start)), make([]float32, len(start))
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := trainer.Train(stopped, Task{Round: 1}, NewGrid(job.Net.Layout(), other), Blocks{Start: other, End: end}); err == nil {
		t.Fatal("a stopped task has no error")
	}
	if _, err := trainer.Train(context.Background(), Task{Round: 1}, NewGrid(job.Net.Layout(), start), Blocks{Start: start, End: end}); err != nil {
		t.Fatal(err)
	}
	if want, _ := train(t, job, start); !slices.Equal(end, want) {
		t.Error("a trainer of a stopped task trains otherwise than a new one")
	}
}
