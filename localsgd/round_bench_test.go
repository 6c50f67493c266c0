package localsgd

import (
	"context"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// A round of one step a worker is nearly all exact mean: the sum of eight updates of 118,016 numbers.
func BenchmarkRoundOfOneStep(b *testing.B) {
	const workers, examples, in = 8, 64, 784
	train := &shard.Set{Shape: []int{in}, N: workers * examples, Classes: 10, Outputs: 10}
	train.Values = make([]float32, train.N*in)
	for i := range train.Values {
		train.Values[i] = float32(i%7) / 7
	}
	for i := range train.N {
		train.Labels = append(train.Labels, int32(i%10))
	}
	net, err := relu.New(relu.MLP{Input: in, Hidden: []int{128, 128}, Output: 10}.Layers(), []int{in}, relu.CrossEntropy)
	if err != nil {
		b.Fatal(err)
	}
	split, err := shard.Split(shard.Contiguous{}, train, workers, 0, 1)
	if err != nil {
		b.Fatal(err)
	}
	local := Local{Schedule: shard.Schedule{Order: shard.Replacement, Batch: 4, Steps: 1}, SGD: SGD{LR: 0.01}}
	job := &Job{Seed: 1, Net: net, Init: relu.KaimingUniform, Data: shard.Data{Train: train, Test: train}, Shards: split, Local: local}
	r := &Runner{Job: job, Algorithm: Algorithm{Rule: FedAvg{LR: 1}}}
	start, next := r.Algorithm.Start(job), make([]float32, job.Net.Parameters())
	for round := 1; b.Loop(); round++ {
		if _, err := r.Round(context.Background(), round, start, next); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/workers/float64(len(start)), "ns/value")
}
