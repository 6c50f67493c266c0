package shard

import (
	"fmt"
	"math"
)

// MaxClasses bounds the class labels of a file, which would otherwise size the network's output.
const MaxClasses = 1 << 20

// array is one array of a file, with readers into slices of its length. Those that its type does not allow return an error;
// bytes and whole are nil where float is the only one that makes sense.
type array struct {
	file, name string
	dtype      string // as the file spells it
	shape      []int
	bytes      func([]uint8) error   // for features that are bytes
	whole      func([]int64) error   // for whole numbers
	float      func([]float32) error // for all that float32 holds
}

// len returns the number of elements; checkShape has bounded it.
func (a *array) len() int {
	n := 1
	for _, d := range a.shape {
		n *= d
	}
	return n
}

// refuse returns an error about what the array holds.
func (a *array) refuse(format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s %s", a.file, ErrData, a.name, fmt.Sprintf(format, args...))
}

// arraySet loads a set from the arrays of a file: x, y and, if groups is not empty, the array of that name. lookup returns
// nil for one that is not there.
type arraySet struct {
	lookup       func(name string) (*array, error)
	missing      func(names string) error
	needX, needY bool
	groups       string
}

func (l arraySet) load() (*Set, error) {
	x, err := l.lookup("x")
	if err != nil && l.needX {
		return nil, err
	}
	y, err := l.lookup("y")
	if err != nil && l.needY {
		return nil, err
	}
	if (l.needX && x == nil) || (l.needY && y == nil) {
		return nil, l.missing("x and y")
	}
	if x != nil && y != nil && len(x.shape) > 0 && len(y.shape) > 0 && x.shape[0] != y.shape[0] {
		return nil, x.refuse("has %d examples, but y has %d", x.shape[0], y.shape[0])
	}
	s := &Set{}
	if l.needX {
		if err := s.loadX(x); err != nil {
			return nil, err
		}
	}
	if l.needY {
		if err := s.loadY(y); err != nil {
			return nil, err
		}
	}
	if l.needY && l.groups != "" {
		return s, l.loadGroups(s)
	}
	return s, nil
}

// checkShape admits minDims dimensions or more, and sizes that indices and memory allow, with so many bytes an element while
// it is read.
func (a *array) checkShape(minDims int, bytes int64, want string) error {
	if len(a.shape) < minDims {
		return a.refuse("has shape %v, want %s", a.shape, want)
	}
	room := int64(MaxFeatureBytes)
	for _, d := range a.shape {
		if d < 1 || int64(d) > room {
			room = -1
			break
		}
		room /= int64(d)
	}
	if a.shape[0] > MaxExamples || room < bytes {
		return a.refuse("has shape %v, want 1 to %d examples in at most %d bytes", a.shape, MaxExamples, int64(MaxFeatureBytes))
	}
	return nil
}

func (s *Set) loadX(x *array) error {
	width := int64(4)
	if x.bytes != nil {
		width = 1
	}
	if err := x.checkShape(2, width, "[N, ...]"); err != nil {
		return err
	}
	s.N, s.Shape = x.shape[0], append([]int(nil), x.shape[1:]...)
	if x.bytes != nil {
		s.Bytes = make([]uint8, x.len())
		return x.bytes(s.Bytes)
	}
	s.Values = make([]float32, x.len())
	if err := x.float(s.Values); err != nil {
		return err
	}
	return x.finite(s.Values, s.Size())
}

func (s *Set) loadY(y *array) error {
	if err := y.checkShape(1, 8, "[N] for labels or [N, outputs] for targets"); err != nil {
		return err
	}
	s.N = y.shape[0]
	switch {
	case len(y.shape) == 1:
		return s.loadLabels(y)
	case len(y.shape) > 2 || y.whole != nil:
		return fmt.Errorf("%s: %w: y is %s of shape %v, want labels of shape [N] or F32 targets of shape [N, outputs]",
			y.file, ErrData, y.dtype, y.shape)
	}
	s.Outputs = y.shape[1]
	s.Targets = make([]float32, y.len())
	if err := y.float(s.Targets); err != nil {
		return err
	}
	return y.finite(s.Targets, s.Outputs)
}

func (s *Set) loadLabels(y *array) error {
	wide, err := y.wholes()
	if err != nil {
		return err
	}
	s.Labels = make([]int32, s.N)
	for i, l := range wide {
		if l < 0 || l >= MaxClasses {
			return y.refuse("holds label %d at example %d, want 0 to %d", l, i, MaxClasses-1)
		}
		s.Labels[i] = int32(l)
	}
	s.setClasses()
	return nil
}

// wholes reads whole numbers, also those that are stored as floats.
func (a *array) wholes() ([]int64, error) {
	wide := make([]int64, a.len())
	if a.whole != nil {
		return wide, a.whole(wide)
	}
	values := make([]float32, len(wide))
	if err := a.float(values); err != nil {
		return nil, err
	}
	for i, v := range values {
		if float32(math.Trunc(float64(v))) != v || math.Abs(float64(v)) > 1<<30 {
			return nil, a.refuse("holds %v at example %d, want whole class labels (targets have shape [N, outputs])", v, i)
		}
		wide[i] = int64(v)
	}
	return wide, nil
}

// loadGroups reads whole numbers of any size, and numbers the groups from 0 in their order.
func (l arraySet) loadGroups(s *Set) error {
	a, err := l.lookup(l.groups)
	if err != nil {
		return err
	}
	if a == nil {
		return l.missing(l.groups)
	}
	if len(a.shape) != 1 || a.shape[0] != s.N || a.whole == nil {
		return a.refuse("is %s of shape %v, want whole numbers of shape [%d], the group of each example", a.dtype, a.shape, s.N)
	}
	wide := make([]int64, s.N)
	if err := a.whole(wide); err != nil {
		return err
	}
	s.Groups = ranks(wide)
	return nil
}

func (a *array) finite(values []float32, per int) error {
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return a.refuse("holds %v at example %d, want finite numbers", v, i/per)
		}
	}
	return nil
}

// loadPair loads the sets of two files that are of one kind. A file whose set is not needed is not touched.
func loadPair(files Files, need Need, load func(f File, groups string, needX, needY bool) (*Set, error)) (Data, error) {
	var d Data
	var err error
	if need.Has(Training) {
		if d.Train, err = load(files.Train, files.Groups, need.Has(TrainX), need.Has(TrainY)); err != nil {
			return Data{}, fmt.Errorf("loading the training set: %w", err)
		}
	}
	if need.Has(Testing) {
		if d.Test, err = load(files.Test, "", need.Has(TestX), need.Has(TestY)); err != nil {
			return Data{}, fmt.Errorf("loading the test set: %w", err)
		}
	}
	if d.Train != nil && d.Test != nil && d.Train.Labels != nil && d.Test.Labels != nil {
		d.Test.Classes, d.Test.Outputs = d.Train.Classes, d.Train.Outputs
	}
	return d, d.check()
}
