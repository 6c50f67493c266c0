// Package workload turns a spec into what is computed: it opens the spec's data on this machine, and builds the network,
// the shards and the algorithm. Coordinator, workers and commands share it, so that they cannot disagree.
//
// Rules: files are opened here and nowhere below; nothing here depends on which process asks, only on the spec, the data
// and what is needed of them.
package workload

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Job builds what the tasks of a spec's run depend on. data needs the training labels, and either set's features' shape.
func Job(s *spec.Spec, data shard.Data) (*localsgd.Job, error) {
	shards, err := Split(s, data.Train)
	if err != nil {
		return nil, err
	}
	like := *data.Train
	if like.Shape == nil && data.Test != nil {
		like.Shape = data.Test.Shape
	}
	net, err := s.Network(&like)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	algorithm := Algorithm(s)
	local, err := algorithm.Prepare(s.Local)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	job := &localsgd.Job{Seed: s.Seed, Net: net, Init: s.Model.Init, Data: data, Shards: shards, Local: local, Precision: s.Precision, Byzantine: s.Byzantine}
	if err := job.Check(); err != nil {
		return nil, err
	}
	return job, algorithm.Check(job)
}

// Split gives the examples of a training set to the shards of a spec. Shards that this process does not hold are empty.
func Split(s *spec.Spec, train *shard.Set) (shard.Shards, error) {
	if _, own := s.Data.(spec.Workers); own {
		if len(train.Given) != s.Shards.Count {
			return nil, fmt.Errorf("shards.count is %d, and data.workers has %d shards", s.Shards.Count, len(train.Given))
		}
		return train.Given, nil
	}
	shards, err := shard.Split(s.Shards.Partition, train, s.Shards.Count, s.Shards.Limit, s.Seed)
	if err != nil {
		return nil, fmt.Errorf("shards: %w", err)
	}
	return shards, nil
}

// Algorithm returns the participation, weighting, rule and simulated clock of a spec.
func Algorithm(s *spec.Spec) localsgd.Algorithm {
	return localsgd.Algorithm{Participation: s.Participation, Weighting: s.Weighting, Rule: s.Server, Simulation: s.Simulate}
}

// maxTravel is how many bytes of states of shards may travel in a round where the spec does not say whether they do.
const maxTravel = 64 << 20

// StatesTravel tells whether the states that shards have of their own go to the coordinator with the updates, or stay with
// the workers. It is true where they have none.
func StatesTravel(s *spec.Spec, job *localsgd.Job) bool {
	switch s.State {
	case spec.StateAtCoordinator:
		return true
	case spec.StateAtWorker:
		return false
	}
	return int64(s.Participation.Size(len(job.Shards)))*4*int64(job.ShardState().Size()) <= maxTravel
}
