package npz

import (
	"bytes"
	"slices"
	"testing"
)

// What is written is read: by this package here, by NumPy in the test of the command that uses it.
func TestWrittenArraysAreRead(t *testing.T) {
	want := map[string][]float64{"0/0.weight": {3, 1.5, 1e-300}, "empty": {}, "1": {7}}
	var out bytes.Buffer
	w := NewWriter(&out)
	for name, values := range want {
		if err := w.Add(name, values); err != nil {
			t.Fatal(err)
		}
		if b := encode(values); (len(b)-8*len(values))%headerAlign != 0 {
			t.Errorf("%s: the elements begin at byte %d", name, len(b)-8*len(values))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(out.Bytes()), int64(out.Len()), "test")
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range want {
		a, err := f.Array(name)
		if err != nil || a.DType != F8 || !slices.Equal(a.Shape, []int{len(values)}) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}
