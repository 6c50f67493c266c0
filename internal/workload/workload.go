// Package workload turns a spec into what is computed: it opens the spec's data on this machine, and builds the network,
// the shards and the algorithm. Coordinator, workers and commands share it, so that they cannot disagree.
//
// Rules: files are opened here and nowhere below; nothing here depends on which process asks, only on the spec, the data
// and what is needed of them.
package workload

import (
	"errors"
	"fmt"
	"os"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/shard/mnist"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Load opens the data of a spec, relative paths taken from the folder root, and loads the arrays that are needed.
func Load(d spec.Data, root string, need shard.Need) (shard.Data, error) {
	switch d := d.Under(root).(type) {
	case spec.MNIST:
		return mnist.Load(need)
	case spec.IDX:
		return loadIDX(d.Dir, need)
	case spec.Safetensors:
		return loadSafetensors(d, need)
	default:
		return shard.Data{}, fmt.Errorf("loading data of kind %T: unknown", d)
	}
}

func loadIDX(dir string, need shard.Need) (shard.Data, error) {
	// A missing folder would otherwise read like a folder without files.
	if _, err := os.Stat(dir); err != nil {
		return shard.Data{}, fmt.Errorf("data.idx.dir: %w", err)
	}
	data, err := shard.LoadIDX(os.DirFS(dir), need)
	if err != nil {
		return shard.Data{}, fmt.Errorf("data.idx.dir %s: %w", dir, err)
	}
	return data, nil
}

func loadSafetensors(d spec.Safetensors, need shard.Need) (shard.Data, error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close() // only read
		}
	}()
	open := func(field, path string, needed bool) (shard.File, error) {
		if !needed {
			return shard.File{Name: path}, nil
		}
		f, err := os.Open(path)
		if err != nil {
			return shard.File{}, fmt.Errorf("data.safetensors.%s: %w", field, err)
		}
		files = append(files, f)
		info, err := f.Stat()
		if err != nil {
			return shard.File{}, fmt.Errorf("data.safetensors.%s: %w", field, err)
		}
		return shard.File{Name: path, R: f, Size: info.Size()}, nil
	}
	train, errTrain := open("train", d.Train, need.Has(shard.Training))
	test, errTest := open("test", d.Test, need.Has(shard.Testing))
	if err := errors.Join(errTrain, errTest); err != nil {
		return shard.Data{}, err
	}
	return shard.LoadSafetensors(train, test, need)
}

// Job builds what the tasks of a spec's run depend on. data needs the training labels, and either set's features' shape.
func Job(s *spec.Spec, data shard.Data) (*localsgd.Job, error) {
	shards, err := shard.Split(s.Shards.Partition, data.Train, s.Shards.Count, s.Shards.Limit, s.Seed)
	if err != nil {
		return nil, fmt.Errorf("shards: %w", err)
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
	job := &localsgd.Job{Seed: s.Seed, Net: net, Init: s.Model.Init, Data: data, Shards: shards, Local: local, Precision: s.Precision}
	if err := job.Check(); err != nil {
		return nil, err
	}
	return job, algorithm.Check(job)
}

// Algorithm returns the participation, weighting and rule of a spec.
func Algorithm(s *spec.Spec) localsgd.Algorithm {
	return localsgd.Algorithm{Participation: s.Participation, Weighting: s.Weighting, Rule: s.Server}
}
