package spec

import (
	"path/filepath"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Data says where the examples come from: MNIST, IDX, Safetensors, CIFAR10, CSV, NPZ, Synthetic or Workers. All are comparable.
type Data interface {
	// Under returns the same data with relative paths taken from the folder dir.
	Under(dir string) Data
}

// MNIST is the embedded data set.
type MNIST struct{}

// IDX is a folder with MNIST-style files.
type IDX struct{ Dir string }

// Safetensors is a file for each set, with the tensors x and y.
type Safetensors struct{ Train, Test string }

// CIFAR10 is a folder with the binary version of CIFAR-10.
type CIFAR10 struct{ Dir string }

// CSV is a file for each set, with a row for each example.
type CSV struct {
	Train, Test string
	Label       string // a column's name, or its number from 0
	Regression  bool   // the label is a target, and no class
	NoHeader    bool
}

// NPZ is a file of NumPy's for each set, with the arrays x and y.
type NPZ struct{ Train, Test string }

// Workers is a folder for each shard, on the machine of the worker that serves it.
type Workers struct {
	Dir      string // where the folders are
	Format   WorkerFormat
	Dims     [4]int // of one example; the shape ends before the first 0
	Classes  int    // 0: targets
	Targets  int    // numbers to be predicted; 0: classes
	Label    string // of CSV, as the following
	NoHeader bool
}

// WorkerFormat is the kind of a worker's files.
type WorkerFormat int

// The kinds of files that workers may bring.
const (
	WorkerIDX WorkerFormat = iota
	WorkerCSV
	WorkerNPZ
	WorkerSafetensors
)

// Like returns a set without examples that says what all of them are like.
func (d Workers) Like() *shard.Set {
	s := &shard.Set{Classes: d.Classes, Outputs: d.Classes + d.Targets}
	for _, n := range d.Dims {
		if n > 0 {
			s.Shape = append(s.Shape, n)
		}
	}
	return s
}

// Source is all that a spec's data are loaded from. It is comparable: equal sources are the same data, unless somebody
// writes to the files.
type Source struct {
	Data   Data
	Groups string // the column or array with the groups of a natural partition; empty: none
	Lists  string // the file of an explicit partition; empty: none
}

// Source returns what the spec's data are loaded from.
func (s *Spec) Source() Source {
	source := Source{Data: s.Data}
	switch p := s.Shards.Partition.(type) {
	case shard.Natural:
		source.Groups = p.By
	case shard.Explicit:
		source.Lists = p.File
	}
	return source
}

// Under takes the relative paths of the spec's data, partition and start model from the folder dir.
func (s *Spec) Under(dir string) {
	s.Data = s.Data.Under(dir)
	if s.Model.File != "" {
		s.Model.File = under(dir, s.Model.File)
	}
	if p, ok := s.Shards.Partition.(shard.Explicit); ok {
		s.Shards.Partition = shard.Explicit{File: under(dir, p.File)}
	}
}

// Under returns the same source with relative paths taken from the folder dir.
func (s Source) Under(dir string) Source {
	s.Data = s.Data.Under(dir)
	if s.Lists != "" {
		s.Lists = under(dir, s.Lists)
	}
	return s
}

// Under implements Data.
func (d MNIST) Under(string) Data { return d }

// Under implements Data.
func (d IDX) Under(dir string) Data { return IDX{Dir: under(dir, d.Dir)} }

// Under implements Data.
func (d Safetensors) Under(dir string) Data {
	return Safetensors{Train: under(dir, d.Train), Test: under(dir, d.Test)}
}

// Under implements Data.
func (d CIFAR10) Under(dir string) Data { return CIFAR10{Dir: under(dir, d.Dir)} }

// Under implements Data.
func (d CSV) Under(dir string) Data {
	d.Train, d.Test = under(dir, d.Train), under(dir, d.Test)
	return d
}

// Under implements Data.
func (d NPZ) Under(dir string) Data { return NPZ{Train: under(dir, d.Train), Test: under(dir, d.Test)} }

// Under implements Data.
func (d Workers) Under(dir string) Data {
	d.Dir = under(dir, d.Dir)
	return d
}

func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
