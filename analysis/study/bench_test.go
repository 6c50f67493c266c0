package study

import (
	"context"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// digits is a set of the size of MNIST's images.
func digits(n int) *shard.Set {
	s := keyed.New(1, "digits")
	set := &shard.Set{Shape: []int{784}, N: n, Classes: 10, Outputs: 10, Bytes: make([]uint8, n*784)}
	for i := range set.Bytes {
		if s.Below(5) == 0 {
			set.Bytes[i] = uint8(s.Below(256))
		}
	}
	for range n {
		set.Labels = append(set.Labels, int32(s.Below(10)))
	}
	return set
}

// BenchmarkRound measures what each study of a round of examples/mnist.yaml costs: four shards of 600 images, 60 steps of ten, and
// 784-200-200-10. "nothing" is the four tasks alone.
func BenchmarkRound(b *testing.B) {
	net, err := relu.New(relu.MLP{Input: 784, Hidden: []int{200, 200}, Output: 10}.Layers(), []int{784}, relu.CrossEntropy)
	if err != nil {
		b.Fatal(err)
	}
	train := digits(2400)
	shards, err := shard.Split(shard.IID{}, train, 4, 0, 1)
	if err != nil {
		b.Fatal(err)
	}
	job := &localsgd.Job{Seed: 1, Net: net, Data: shard.Data{Train: train, Test: digits(1000)}, Shards: shards,
		Local: localsgd.Local{Schedule: shard.Schedule{Epochs: 1, Batch: 10}, SGD: localsgd.SGD{LR: 0.1, WeightDecay: 1e-3}}}
	four := everyone
	four.Participation.Count = 4
	in := roundOf(b, job, four)
	in.Probe, in.Evaluated, in.Every, in.Draws = 32, 1000, 30, 2
	b.Run("nothing", func(b *testing.B) {
		for b.Loop() {
			m := &measurement{Input: in}
			m.prepare()
			if err := m.train(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, s := range All() {
		b.Run(string(s), func(b *testing.B) {
			in.Want = []Study{s}
			for b.Loop() {
				if _, _, err := Round(context.Background(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
