package localsgd

import (
	"context"
	"testing"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// wideJob has layers whose widths leave every kind of remainder, and batches of several blocks with a last one that is
// smaller.
func wideJob(t *testing.T, mlp relu.MLP, sgd SGD) *Job {
	t.Helper()
	const n = 109
	s := keyed.New(5, "wide")
	train := &shard.Set{Shape: []int{mlp.Input}, N: n, Classes: mlp.Output, Outputs: mlp.Output, Values: make([]float32, n*mlp.Input)}
	for i := range train.Values {
		train.Values[i] = float32(s.Normal())
	}
	for range n {
		train.Labels = append(train.Labels, int32(s.Below(mlp.Output)))
	}
	net, err := relu.New(mlp.Layers(), []int{mlp.Input}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	shards, err := shard.Split(shard.Contiguous{}, train, 1, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &Job{Seed: 3, Net: net, Init: relu.KaimingNormal, Data: shard.Data{Train: train}, Shards: shards,
		Local: Local{Schedule: shard.Schedule{Epochs: 2, Batch: 50}, SGD: sgd}}
}

// Training gives the same bits with every kernel that the machine has. What the machine cannot run, and what the compiler
// makes of the Go code elsewhere, is compared through the golden hashes:
//
//	GOAMD64=v3 go test ./localsgd ./localsgd/relu
//	GODEBUG=cpu.fma=off,cpu.avx2=off go test ./localsgd ./localsgd/relu
//	make test-arm64
func TestEveryKernelTrainsToTheSameBits(t *testing.T) {
	before := kernel.InUse()
	defer func() { _ = kernel.Use(before) }()
	for _, c := range []struct {
		name string
		mlp  relu.MLP
		sgd  SGD
		want string
	}{
		{"plain", relu.MLP{Input: 61, Hidden: []int{100, 33, 24}, Output: 10}, SGD{LR: 0.1}, "0fda17f045deff2f"},
		{"decay, leaky", relu.MLP{Input: 16, Hidden: []int{70, 8}, Output: 5, Slope: 0.1}, SGD{LR: 0.1, WeightDecay: 0.01}, "77b7889ec97a9b97"},
		{"momentum", relu.MLP{Input: 40, Hidden: []int{41, 90}, Output: 3, NoBias: true}, SGD{LR: 0.05, Momentum: 0.9, WeightDecay: 5e-4}, "1894f3d9fdab530d"},
		{"nesterov", relu.MLP{Input: 9, Hidden: []int{50, 49, 48, 47}, Output: 12}, SGD{LR: 0.05, Momentum: 0.9, Nesterov: true}, "f0007132a9a00321"},
	} {
		job := wideJob(t, c.mlp, c.sgd)
		start := job.Start()
		for _, name := range kernel.Available() {
			if err := kernel.Use(name); err != nil {
				t.Fatal(err)
			}
			end := make([]float32, len(start))
			if _, err := NewTrainer(job).Train(context.Background(), Task{Round: 1}, NewGrid(job.Net.Layout(), start), Blocks{Start: start, End: end}); err != nil {
				t.Fatal(err)
			}
			if got := tensor.HashBlock(end).String()[:16]; got != c.want {
				t.Errorf("%s on %s: %s, want %s", c.name, name, got, c.want)
			}
		}
	}
}
