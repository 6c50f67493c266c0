package shard

import (
	"fmt"
	"io"

	"github.com/fedrelu/fedrelu/internal/safetensors"
)

// File is an open file of data. Name is what errors call it; Size is its length in bytes.
type File struct {
	Name string
	R    io.ReaderAt
	Size int64
}

// LoadSafetensors loads a training and a test set from safetensors files: x of shape [N, ...] as F32, or as U8, which are
// scaled to 0..1; y of shape [N] with class labels as I64, I32, U8 or whole F32, or of shape [N, outputs] with targets as
// F32; and the tensor of groups, if one is named, of shape [N] as I64, I32 or U8. All values must be finite. Other tensors
// in the files are ignored. A file whose set is not needed is not touched.
//
// Classes is the largest training label plus one (for a test set loaded alone, its own); whether a test label lies beyond
// the network's outputs is for Set.CheckOutputs to say.
func LoadSafetensors(files Files, need Need) (Data, error) {
	return loadPair(files, need, loadTensors)
}

func loadTensors(file File, groups string, needX, needY bool) (*Set, error) {
	f, err := safetensors.Open(file.R, file.Size, file.Name)
	if err != nil {
		return nil, err
	}
	return arraySet{
		lookup:  func(name string) (*array, error) { return tensorArray(f, name), nil },
		missing: func(names string) error { return tensorMissing(f, names) },
		needX:   needX, needY: needY, groups: groups,
	}.load()
}

func tensorMissing(f *safetensors.File, want string) error {
	var names []string
	for _, t := range f.Tensors() {
		if len(names) < 20 {
			names = append(names, t.Name)
		}
	}
	return fmt.Errorf("%s: %w: want %s, found %q", f.Name(), safetensors.ErrMissing, want, names)
}

func tensorArray(f *safetensors.File, name string) *array {
	t, ok := f.Lookup(name)
	if !ok {
		return nil
	}
	a := &array{file: f.Name(), name: name, dtype: string(t.DType), shape: t.Shape,
		float: func(dst []float32) error { return f.ReadFloat32(name, dst) },
	}
	if t.DType == safetensors.U8 {
		a.bytes = func(dst []uint8) error { return f.ReadUint8(name, dst) }
	}
	if t.DType != safetensors.F32 {
		a.whole = func(dst []int64) error { return f.ReadInt64(name, dst) }
	}
	return a
}
