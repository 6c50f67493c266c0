package main

import (
	"context"
	"time"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// benchTask repeats one task: what a worker does when it trains, without the wire.
type benchTask struct {
	trainer    *localsgd.Trainer
	grid       *localsgd.Grid
	start, end []float32
	steps      int
}

const (
	benchExamples  = 1200 // in the shard: a task goes through them again and again
	benchOperation = 12e9 // floating point operations of a timed task: a tenth of a second at 120 GFLOP/s
	benchMostSteps = 1000
	peakTries      = 5
	peakCalls      = 40
)

// newBenchTask prepares a task on inputs that are dense normals.
func newBenchTask(m benchModel, batch int) (*benchTask, error) {
	net, err := relu.New(m.net.Layers(), []int{m.net.Input}, relu.CrossEntropy)
	if err != nil {
		return nil, err
	}
	steps := min(benchMostSteps, max(3, int(benchOperation/m.operations(batch))))
	job := &localsgd.Job{
		Seed: 1, Net: net, Init: relu.KaimingNormal, Data: shard.Data{Train: benchData(m.net)},
		Shards: shard.Shards{make([]int32, benchExamples)},
		Local:  localsgd.Local{Schedule: shard.Schedule{Order: shard.Cyclic, Batch: batch, Steps: steps}, SGD: m.sgd},
	}
	for i := range job.Shards[0] {
		job.Shards[0][i] = int32(i)
	}
	start := job.Start()
	t := &benchTask{localsgd.NewTrainer(job), localsgd.NewGrid(net.Layout(), start), start, make([]float32, len(start)), steps}
	_, err = t.time(context.Background()) // the first task fills the caches and memory of the optimizer
	return t, err
}

// benchData are normal inputs with keyed labels.
func benchData(m relu.MLP) *shard.Set {
	s := keyed.New(1, "bench")
	set := &shard.Set{Shape: []int{m.Input}, N: benchExamples, Classes: m.Output, Outputs: m.Output}
	set.Values, set.Labels = make([]float32, benchExamples*m.Input), make([]int32, benchExamples)
	for i := range set.Values {
		set.Values[i] = float32(s.Normal())
	}
	for i := range set.Labels {
		set.Labels[i] = int32(s.Below(m.Output))
	}
	return set
}

// time trains the task once and returns the seconds of a step.
func (t *benchTask) time(ctx context.Context) (float64, error) {
	began := time.Now()
	_, err := t.trainer.Train(ctx, localsgd.Task{Round: 1}, t.grid, t.start, t.end)
	return time.Since(began).Seconds() / float64(t.steps), err
}

// measurePeak returns the best rate of several tries, in GFLOP/s.
func measurePeak() float64 {
	best := 0.0
	for range peakTries {
		began, operations := time.Now(), 0.0
		for range peakCalls {
			operations += kernel.Peak()
		}
		best = max(best, operations/time.Since(began).Seconds()/1e9)
	}
	return best
}
