package localsgd

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// look keeps what a trainer shows.
type look struct {
	steps  []int
	params [][]float32
}

func (l *look) see(step int, params []float32) {
	l.steps = append(l.steps, step)
	l.params = append(l.params, slices.Clone(params))
}

// taskEnd makes a task of a new trainer.
func taskEnd(t *testing.T, job *Job, trainer *Trainer, steps int) []float32 {
	t.Helper()
	start, end := job.Start(), make([]float32, job.Net.Parameters())
	task := Task{Round: 2, Steps: steps}
	if _, err := trainer.Train(context.Background(), task, NewGrid(job.Net.Layout(), start), Blocks{Start: start, End: end}); err != nil {
		t.Fatal(err)
	}
	return end
}

// In both precisions and under every optimizer, with layers that hold their parameters and others, what is shown after step h is the
// end of a task of h steps, and being watched changes no bit.
func TestWatchShowsEveryStep(t *testing.T) {
	convolutions := []relu.Layer{
		relu.Conv2D{In: 1, Out: 9, Kernel: 3, Stride: 1, Padding: 1, Bias: true}, relu.ReLU{}, relu.Flatten{}, relu.Linear{In: 54, Out: 3, Bias: true},
	}
	for _, c := range optimizers {
		for _, precision := range []Precision{Float32, Float64} {
			t.Run(fmt.Sprint(c.name, precision), func(t *testing.T) {
				local := c.local
				local.Schedule = shard.Schedule{Steps: 4, Batch: 5}
				job := oneShard(t, everyPlace(), 13, local)
				job.Precision = precision
				checkWatch(t, job)
			})
		}
	}
	t.Run("convolution", func(t *testing.T) {
		job := oneShard(t, everyPlace(), 13, Local{Schedule: shard.Schedule{Steps: 4, Batch: 5}, SGD: SGD{LR: 0.1, Momentum: 0.9}})
		net, err := relu.New(convolutions, []int{1, 2, 3}, relu.CrossEntropy)
		if err != nil {
			t.Fatal(err)
		}
		job.Net = net
		checkWatch(t, job)
	})
}

func checkWatch(t *testing.T, job *Job) {
	t.Helper()
	want := taskEnd(t, job, NewTrainer(job), 0)
	trainer := NewTrainer(job)
	var l look
	trainer.Watch(l.see)
	if got := taskEnd(t, job, trainer, 0); !slices.Equal(got, want) {
		t.Error("being watched changes what is trained")
	}
	if !slices.Equal(l.steps, []int{1, 2, 3, 4}) {
		t.Fatalf("steps %v were shown", l.steps)
	}
	for i, h := range l.steps {
		if !slices.Equal(l.params[i], taskEnd(t, job, NewTrainer(job), h)) {
			t.Errorf("step %d shows other parameters than a task of as many steps ends with", h)
		}
	}
	trainer.Watch(nil)
	if got := taskEnd(t, job, trainer, 0); !slices.Equal(got, want) || len(l.steps) != 4 {
		t.Errorf("after nobody watches any more: %d steps were shown", len(l.steps))
	}
}

func TestWatchingAllocatesNothing(t *testing.T) {
	for _, precision := range []Precision{Float32, Float64} {
		job := oneShard(t, everyPlace(), 13, Local{Schedule: shard.Schedule{Steps: 4, Batch: 5}, SGD: SGD{LR: 0.1}})
		job.Precision = precision
		trainer, start, end := NewTrainer(job), job.Start(), make([]float32, job.Net.Parameters())
		grid, seen := NewGrid(job.Net.Layout(), start), 0
		train := func() {
			_, _ = trainer.Train(context.Background(), Task{Round: 1}, grid, Blocks{Start: start, End: end})
		}
		for _, watch := range []func(int, []float32){nil, func(int, []float32) { seen++ }} {
			trainer.Watch(watch)
			if n := testing.AllocsPerRun(5, train); n != 0 {
				t.Errorf("precision %v, watched %t: a task allocates %v times", precision, watch != nil, n)
			}
		}
		if seen != 4*6 {
			t.Errorf("%d steps were shown, want those of six tasks", seen)
		}
	}
}

// countActivations counts the batches that it is shown.
type countActivations[F float32 | float64] struct{ first int }

func (c *countActivations[F]) Activation(i int, _ []F, _ int) {
	if i == 0 {
		c.first++
	}
}

func TestWatchActivationsShowsEveryBatch(t *testing.T) {
	for _, precision := range []Precision{Float32, Float64} {
		job := oneShard(t, everyPlace(), 13, Local{Schedule: shard.Schedule{Steps: 4, Batch: 5}, SGD: SGD{LR: 0.1}})
		job.Precision = precision
		want := taskEnd(t, job, NewTrainer(job), 0)
		trainer := NewTrainer(job)
		single, double := &countActivations[float32]{}, &countActivations[float64]{}
		trainer.WatchActivations(single, double)
		if got := taskEnd(t, job, trainer, 0); !slices.Equal(got, want) || single.first+double.first != 4 {
			t.Errorf("precision %v: %d and %d batches were shown, and bits change: %t", precision, single.first, double.first, !slices.Equal(got, want))
		}
	}
}
