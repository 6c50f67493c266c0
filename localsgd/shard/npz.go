package shard

import (
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/internal/npz"
)

// LoadNPZ loads a training and a test set from NumPy's .npz files: x of shape [N, ...] as <f4, <f8, <i4 or <i8, or as |u1,
// which are scaled to 0..1; y of shape [N] with class labels of any of these types, which must be whole, or of shape
// [N, outputs] with targets as <f4 or <f8; and the array of groups, if one is named, of shape [N] as <i4, <i8 or |u1. Arrays
// are in C order. All values must be finite; <f8 is rounded to float32 and must lie in its range, whole numbers must be
// float32's exactly. Other arrays in the files are ignored. A file whose set is not needed is not touched.
//
// Classes is as LoadSafetensors has it.
func LoadNPZ(files Files, need Need) (Data, error) {
	return loadPair(files, need, loadArrays)
}

func loadArrays(file File, groups string, needX, needY bool) (*Set, error) {
	f, err := npz.Open(file.R, file.Size, file.Name)
	if err != nil {
		return nil, err
	}
	return arraySet{
		lookup:  func(name string) (*array, error) { return npzArray(f, name) },
		missing: func(names string) error { return npzMissing(f, names) },
		needX:   needX, needY: needY, groups: groups,
	}.load()
}

func npzMissing(f *npz.File, want string) error {
	names := f.Names()
	return fmt.Errorf("%s: %w: want %s, found %q", f.Name(), npz.ErrMissing, want, names[:min(20, len(names))])
}

func npzArray(f *npz.File, name string) (*array, error) {
	t, err := f.Array(name)
	if errors.Is(err, npz.ErrMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a := &array{file: f.Name(), name: name, dtype: string(t.DType), shape: t.Shape, float: t.ReadFloat32}
	if t.DType == npz.U1 {
		a.bytes = t.ReadUint8
	}
	if t.DType != npz.F4 && t.DType != npz.F8 {
		a.whole = t.ReadInt64
	}
	return a, nil
}

// npzShards reads the arrays example and shard.
func npzShards(file File) (Shards, error) {
	f, err := npz.Open(file.R, file.Size, file.Name)
	if err != nil {
		return nil, err
	}
	var columns [2][]int64
	for i, name := range []string{"example", "shard"} {
		a, err := npzArray(f, name)
		if err == nil && a == nil {
			err = npzMissing(f, "example and shard")
		}
		if err != nil {
			return nil, err
		}
		if len(a.shape) != 1 || a.whole == nil {
			return nil, a.refuse("is %s of shape %v, want whole numbers of shape [M]", a.dtype, a.shape)
		}
		if err := a.checkShape(1, 8, "[M]"); err != nil {
			return nil, err
		}
		columns[i] = make([]int64, a.len())
		if err := a.whole(columns[i]); err != nil {
			return nil, err
		}
	}
	if len(columns[0]) != len(columns[1]) {
		return nil, fmt.Errorf("%s: %w: %d examples, but %d shards", file.Name, ErrData, len(columns[0]), len(columns[1]))
	}
	var shards Shards
	for i, k := range columns[1] {
		if shards, err = shards.add(k, columns[0][i]); err != nil {
			return nil, fmt.Errorf("%s: at %d: %w", file.Name, i, err)
		}
	}
	return shards, nil
}
