package shard

import (
	"fmt"
	"io"
	"math"

	"github.com/fedrelu/fedrelu/internal/safetensors"
)

// MaxClasses bounds the class labels of a safetensors file, which would otherwise size the network's output.
const MaxClasses = 1 << 20

// File is an open file of data. Name is what errors call it; Size is its length in bytes.
type File struct {
	Name string
	R    io.ReaderAt
	Size int64
}

// LoadSafetensors loads a training and a test set from safetensors files: x of shape [N, ...] as F32, or as U8, which are
// scaled to 0..1; y of shape [N] with class labels as I64, I32, U8 or whole F32, or of shape [N, outputs] with targets as
// F32. All values must be finite. Other tensors in the files are ignored. A file whose set is not needed is not touched.
//
// Classes is the largest training label plus one (for a test set loaded alone, its own); whether a test label lies beyond
// the network's outputs is for Set.CheckOutputs to say.
func LoadSafetensors(train, test File, need Need) (Data, error) {
	var d Data
	var err error
	if need.Has(Training) {
		if d.Train, err = loadTensors(train, need.Has(TrainX), need.Has(TrainY)); err != nil {
			return Data{}, fmt.Errorf("loading the training set: %w", err)
		}
	}
	if need.Has(Testing) {
		if d.Test, err = loadTensors(test, need.Has(TestX), need.Has(TestY)); err != nil {
			return Data{}, fmt.Errorf("loading the test set: %w", err)
		}
	}
	if d.Train != nil && d.Test != nil && d.Train.Labels != nil && d.Test.Labels != nil {
		d.Test.Classes, d.Test.Outputs = d.Train.Classes, d.Train.Outputs
	}
	return d, d.check()
}

func loadTensors(file File, needX, needY bool) (*Set, error) {
	f, err := safetensors.Open(file.R, file.Size, file.Name)
	if err != nil {
		return nil, err
	}
	s := &Set{}
	x, xok := f.Lookup("x")
	y, yok := f.Lookup("y")
	if (needX && !xok) || (needY && !yok) {
		return nil, fmt.Errorf("%s: %w: want x and y, found %q", file.Name, safetensors.ErrMissing, someNames(f))
	}
	if xok && yok && len(x.Shape) > 0 && len(y.Shape) > 0 && x.Shape[0] != y.Shape[0] {
		return nil, fmt.Errorf("%s: %w: x has %d examples, but y has %d", file.Name, ErrData, x.Shape[0], y.Shape[0])
	}
	if needX {
		if err := s.loadX(f, x); err != nil {
			return nil, err
		}
	}
	if needY {
		if err := s.loadY(f, y); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// someNames returns the names of the first tensors of a file, for an error.
func someNames(f *safetensors.File) []string {
	var names []string
	for _, t := range f.Tensors() {
		if len(names) < 20 {
			names = append(names, t.Name)
		}
	}
	return names
}

// checkShape admits minDims dimensions or more, and sizes that indices and memory allow.
func checkShape(f *safetensors.File, t safetensors.Info, minDims int, want string) error {
	if len(t.Shape) < minDims {
		return fmt.Errorf("%s: %w: %s has shape %v, want %s", f.Name(), ErrData, t.Name, t.Shape, want)
	}
	if t.Len() == 0 || t.Shape[0] > MaxExamples || int64(t.Len())*int64(t.DType.Size()) > MaxFeatureBytes {
		return fmt.Errorf("%s: %w: %s has shape %v, want 1 to %d examples in at most %d bytes",
			f.Name(), ErrData, t.Name, t.Shape, MaxExamples, int64(MaxFeatureBytes))
	}
	return nil
}

func (s *Set) loadX(f *safetensors.File, x safetensors.Info) error {
	if err := checkShape(f, x, 2, "[N, ...]"); err != nil {
		return err
	}
	s.N, s.Shape = x.Shape[0], append([]int(nil), x.Shape[1:]...)
	if x.DType == safetensors.U8 {
		s.Bytes = make([]uint8, x.Len())
		return f.ReadUint8("x", s.Bytes)
	}
	s.Values = make([]float32, x.Len())
	if err := f.ReadFloat32("x", s.Values); err != nil {
		return err
	}
	return finite(f, "x", s.Values, s.Size())
}

func (s *Set) loadY(f *safetensors.File, y safetensors.Info) error {
	if err := checkShape(f, y, 1, "[N] for labels or [N, outputs] for targets"); err != nil {
		return err
	}
	s.N = y.Shape[0]
	switch {
	case len(y.Shape) == 1:
		return s.loadLabels(f, y)
	case len(y.Shape) > 2 || y.DType != safetensors.F32:
		return fmt.Errorf("%s: %w: y is %s of shape %v, want labels of shape [N] or F32 targets of shape [N, outputs]",
			f.Name(), ErrData, y.DType, y.Shape)
	}
	s.Outputs = y.Shape[1]
	s.Targets = make([]float32, y.Len())
	if err := f.ReadFloat32("y", s.Targets); err != nil {
		return err
	}
	return finite(f, "y", s.Targets, s.Outputs)
}

func (s *Set) loadLabels(f *safetensors.File, y safetensors.Info) error {
	wide := make([]int64, s.N)
	var err error
	if y.DType == safetensors.F32 {
		err = wholeLabels(f, wide)
	} else {
		err = f.ReadInt64("y", wide)
	}
	if err != nil {
		return err
	}
	s.Labels = make([]int32, s.N)
	for i, l := range wide {
		if l < 0 || l >= MaxClasses {
			return fmt.Errorf("%s: %w: y holds label %d at example %d, want 0 to %d", f.Name(), ErrData, l, i, MaxClasses-1)
		}
		s.Labels[i] = int32(l)
	}
	s.setClasses()
	return nil
}

func wholeLabels(f *safetensors.File, wide []int64) error {
	values := make([]float32, len(wide))
	if err := f.ReadFloat32("y", values); err != nil {
		return err
	}
	for i, v := range values {
		if float32(math.Trunc(float64(v))) != v || math.Abs(float64(v)) > 1<<30 {
			return fmt.Errorf("%s: %w: y holds %v at example %d, want whole class labels (targets have shape [N, outputs])",
				f.Name(), ErrData, v, i)
		}
		wide[i] = int64(v)
	}
	return nil
}

func finite(f *safetensors.File, name string, values []float32, per int) error {
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("%s: %w: %s holds %v at example %d, want finite numbers", f.Name(), ErrData, name, v, i/per)
		}
	}
	return nil
}
