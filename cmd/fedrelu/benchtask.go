package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// benchTask repeats one task a slot: what a worker does when it trains, without the wire.
type benchTask struct {
	grid  *localsgd.Grid
	start []float32
	slots []*benchSlot
	steps int // of each slot's task
}

// benchSlot trains the task of one shard.
type benchSlot struct {
	trainer *localsgd.Trainer
	task    localsgd.Task
	end     []float32
	seconds float64 // of the last timing
	err     error
}

const (
	benchExamples   = 1200 // in a shard: a task goes through them again and again
	benchOperations = 15e9 // of a timed task: an eighth of a second at 120 GFLOP/s
	benchLeastSteps = 5
	benchMostSteps  = 2000
	peakTries       = 5
	peakCalls       = 40
)

// newBenchTask prepares a row's tasks, a shard for each slot, and trains each once, which fills the caches and the memory
// of the optimizer.
func newBenchTask(ctx context.Context, r benchRow) (*benchTask, error) {
	net, err := relu.New(r.model.layers, r.model.input, relu.CrossEntropy)
	if err != nil {
		return nil, err
	}
	steps := min(benchMostSteps, max(benchLeastSteps, int(benchOperations/r.model.operations(r.batch))))
	job := &localsgd.Job{
		Seed: 1, Net: net, Init: relu.KaimingNormal, Data: shard.Data{Train: benchData(net, r)}, Shards: benchShards(r.threads),
		Local: localsgd.Local{Schedule: shard.Schedule{Order: shard.Cyclic, Batch: r.batch, Steps: steps}, SGD: r.model.sgd},
	}
	start := job.Start()
	t := &benchTask{grid: localsgd.NewGrid(net.Layout(), start), start: start, steps: steps}
	for i := range r.threads {
		task := localsgd.Task{Round: 1, Shard: i}
		t.slots = append(t.slots, &benchSlot{trainer: localsgd.NewTrainer(job), task: task, end: make([]float32, len(start))})
	}
	_, err = t.time(ctx)
	return t, err
}

// benchData are inputs that are dense normals, none of them zero, with keyed labels: the examples of all slots.
func benchData(net *relu.Network, r benchRow) *shard.Set {
	s := keyed.New(1, "bench")
	n := benchExamples * r.threads
	set := &shard.Set{Shape: r.model.input, N: n, Classes: net.Outputs(), Outputs: net.Outputs()}
	set.Values, set.Labels = make([]float32, n*net.Inputs()), make([]int32, n)
	for i := range set.Values {
		for set.Values[i] == 0 {
			set.Values[i] = float32(s.Normal())
		}
	}
	for i := range set.Labels {
		set.Labels[i] = int32(s.Below(net.Outputs()))
	}
	return set
}

// benchShards gives the examples to as many shards, one after the other.
func benchShards(count int) shard.Shards {
	all := make([]int32, count*benchExamples)
	for i := range all {
		all[i] = int32(i)
	}
	return slices.Collect(slices.Chunk(all, benchExamples))
}

// time trains every slot's task at once and returns the seconds that a step takes on a slot: the number of slots over the
// sum of their rates.
func (t *benchTask) time(ctx context.Context) (float64, error) {
	var running sync.WaitGroup
	for _, s := range t.slots {
		running.Go(func() { s.train(ctx, t) })
	}
	running.Wait()
	var err error
	rate := 0.0
	for _, s := range t.slots {
		err = errors.Join(err, s.err)
		rate += float64(t.steps) / s.seconds
	}
	return float64(len(t.slots)) / rate, err
}

// train trains the slot's task once and takes its time.
func (s *benchSlot) train(ctx context.Context, t *benchTask) {
	began := time.Now()
	_, s.err = s.trainer.Train(ctx, s.task, t.grid, localsgd.Blocks{Start: t.start, End: s.end})
	s.seconds = time.Since(began).Seconds()
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
