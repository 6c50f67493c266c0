package workload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/shard/mnist"
	"github.com/fedrelu/fedrelu/localsgd/shard/synthetic"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Load opens the data of a spec, relative paths taken from the folder root, and loads the arrays that are needed. With the
// training labels come the groups and the lists of shards, where the partition wants them. Data that workers bring have to be
// all in this place: then they are joined, in the order of shards.
func Load(source spec.Source, root string, need shard.Need) (shard.Data, error) {
	source = source.Under(root)
	data, err := loadArrays(source, need)
	if err != nil || source.Lists == "" || !need.Has(shard.TrainY) {
		return data, err
	}
	o := &opener{}
	defer o.close()
	file, err := o.open("shards.partition.explicit.file", source.Lists)
	if err != nil {
		return shard.Data{}, err
	}
	train := *data.Train // it may be shared
	if train.Given, err = shard.LoadShards(file); err != nil {
		return shard.Data{}, fmt.Errorf("shards.partition.explicit: %w", err)
	}
	data.Train = &train
	return data, nil
}

func loadArrays(source spec.Source, need shard.Need) (shard.Data, error) {
	switch d := source.Data.(type) {
	case spec.MNIST:
		return mnist.Load(need)
	case spec.IDX:
		return loadFolder("data.idx.dir", d.Dir, need, shard.LoadIDX)
	case spec.CIFAR10:
		return loadFolder("data.cifar10.dir", d.Dir, need, shard.LoadCIFAR10)
	case spec.Safetensors:
		return loadFiles(pair{"data.safetensors", d.Train, d.Test, source.Groups}, need, shard.LoadSafetensors)
	case spec.NPZ:
		return loadFiles(pair{"data.npz", d.Train, d.Test, source.Groups}, need, shard.LoadNPZ)
	case spec.Synthetic:
		data, err := synthetic.Make(d.Source, need)
		if err != nil {
			return shard.Data{}, fmt.Errorf("data.synthetic: %w", err)
		}
		return data, nil
	case spec.CSV:
		return loadCSV(d, source.Groups, need)
	case spec.Workers:
		own, err := LoadOwn(d, "", nil)
		if err != nil {
			return shard.Data{}, err
		}
		return own.all()
	}
	return shard.Data{}, fmt.Errorf("loading data of kind %T: unknown", source.Data)
}

func loadFolder(key, dir string, need shard.Need, load func(fs.FS, shard.Need) (shard.Data, error)) (shard.Data, error) {
	// A missing folder would otherwise read like a folder without files.
	if _, err := os.Stat(dir); err != nil {
		return shard.Data{}, fmt.Errorf("%s: %w", key, err)
	}
	data, err := load(os.DirFS(dir), need)
	if err != nil {
		return shard.Data{}, fmt.Errorf("%s %s: %w", key, dir, err)
	}
	return data, nil
}

func loadCSV(d spec.CSV, groups string, need shard.Need) (shard.Data, error) {
	format := shard.CSV{Label: d.Label, Regression: d.Regression, NoHeader: d.NoHeader}
	all := need
	if need.Has(shard.TestY) && !d.Regression {
		all |= shard.TrainY // the training file decides which label is which class
	}
	return loadFiles(pair{"data.csv", d.Train, d.Test, groups}, all, func(files shard.Files, _ shard.Need) (shard.Data, error) {
		return shard.LoadCSV(files, format, need)
	})
}

// pair is the files of the two sets, and what the groups of a natural partition are called.
type pair struct{ key, train, test, groups string }

func loadFiles(p pair, need shard.Need, load func(shard.Files, shard.Need) (shard.Data, error)) (shard.Data, error) {
	o := &opener{}
	defer o.close()
	files := shard.Files{Train: shard.File{Name: p.train}, Test: shard.File{Name: p.test}, Groups: p.groups}
	var errTrain, errTest error
	if need.Has(shard.Training) {
		files.Train, errTrain = o.open(p.key+".train", p.train)
	}
	if need.Has(shard.Testing) {
		files.Test, errTest = o.open(p.key+".test", p.test)
	}
	if err := errors.Join(errTrain, errTest); err != nil {
		return shard.Data{}, err
	}
	return load(files, need)
}

// opener opens files and closes them together.
type opener struct{ files []*os.File }

// open opens the file that a key of the spec names.
func (o *opener) open(key, path string) (shard.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return shard.File{}, fmt.Errorf("%s: %w", key, err)
	}
	o.files = append(o.files, f)
	info, err := f.Stat()
	if err != nil {
		return shard.File{}, fmt.Errorf("%s: %w", key, err)
	}
	if !info.Mode().IsRegular() {
		return shard.File{}, fmt.Errorf("%s: %s is not a regular file", key, path)
	}
	return shard.File{Name: path, R: f, Size: info.Size()}, nil
}

func (o *opener) close() {
	for _, f := range o.files {
		_ = f.Close() // only read
	}
}
