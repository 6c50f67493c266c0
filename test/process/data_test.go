//go:build linux

package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// classes of all data.
const classes = 4

// writeData writes so many examples of bytes, to train and to test on, as safetensors files into dir: noise around a
// brighter part for each class.
func writeData(t *testing.T, dir string, features, train, test int) {
	t.Helper()
	for _, set := range []struct {
		name string
		n    int
	}{{"train", train}, {"test", test}} {
		draws := keyed.New(1, "data", uint64(len(set.name)))
		x, y := make([]uint8, 0, set.n*features), make([]int32, set.n)
		for i := range y {
			y[i] = int32(draws.Below(classes))
			for j := range features {
				level := 60
				if j*classes/features == int(y[i]) {
					level = 90
				}
				x = append(x, uint8(level+draws.Below(120)))
			}
		}
		tensors := []safetensors.Tensor{
			{Name: "x", Shape: []int{set.n, features}, Values: x}, {Name: "y", Shape: []int{set.n}, Values: y},
		}
		write(t, filepath.Join(dir, set.name+".safetensors"), tensors)
	}
}

func write(t *testing.T, path string, tensors []safetensors.Tensor) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(f, tensors, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// writeSpec writes a spec on the files of writeData beside them, and returns its path.
func writeSpec(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	text = "data: {safetensors: {train: train.safetensors, test: test.safetensors}}\n" + text
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
