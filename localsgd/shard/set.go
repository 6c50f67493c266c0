package shard

import (
	"errors"
	"fmt"
	"slices"
)

// MaxExamples is the largest number of examples of a set: indices are int32.
const MaxExamples = 1<<31 - 1

// MaxFeatureBytes bounds the features of one set as they lie in memory.
const MaxFeatureBytes = 1 << 33

// ErrData is wrapped by every error about the content of a data set or of a file of data.
var ErrData = errors.New("invalid data")

// Set is a data set. It has either class labels or regression targets, or neither where they were not needed, and features
// as bytes or as values, or neither where they were not needed. It must not be modified once in use.
type Set struct {
	Shape   []int     // of one example, without N: [1, 28, 28] for MNIST; nil if the features were not looked at
	N       int       // number of examples
	Classes int       // labels are in 0..Classes-1; 0 = regression
	Labels  []int32   // N, or nil
	Outputs int       // numbers that a network has to answer per example: Classes, or the width of Targets
	Targets []float32 // N x Outputs, row-major, or nil
	Bytes   []uint8   // N x Size, row-major, or nil; handed out as float32(v)/255
	Values  []float32 // N x Size, row-major, or nil; handed out as they are
	Groups  []int32   // N, from 0, or nil: the group of each example, for Natural
	Given   Shards    // the lists of Explicit, or nil
}

// Data is what a run trains on and is tested on. Either set may be nil in a process that does not need it.
type Data struct{ Train, Test *Set }

// Need says which arrays a process wants to hold. Loaders do not allocate the others and do not open their files.
type Need uint8

// The arrays of a Data. A worker needs Training, a coordinator TrainY|Testing.
const (
	TrainX Need = 1 << iota
	TrainY
	TestX
	TestY
	Training = TrainX | TrainY
	Testing  = TestX | TestY
	All      = Training | Testing
)

// Has tells whether n asks for any of the arrays of what.
func (n Need) Has(what Need) bool { return n&what != 0 }

// Len returns the number of examples.
func (s *Set) Len() int { return s.N }

// Size returns the number of features of one example.
func (s *Set) Size() int {
	n := 1
	for _, d := range s.Shape {
		n *= d
	}
	return n
}

// HasFeatures tells whether the features are in this process.
func (s *Set) HasFeatures() bool { return s.Bytes != nil || s.Values != nil }

// Validate checks a set that was not made by a loader of this package: lengths, label range and limits.
func (s *Set) Validate() error {
	if s.N < 1 || s.N > MaxExamples {
		return fmt.Errorf("%w: %d examples, want 1 to %d", ErrData, s.N, MaxExamples)
	}
	if s.Bytes != nil && s.Values != nil {
		return fmt.Errorf("%w: features both as bytes and as values", ErrData)
	}
	for _, a := range []struct {
		name     string
		len, per int
	}{
		{"Bytes", len(s.Bytes), s.Size()}, {"Values", len(s.Values), s.Size()},
		{"Labels", len(s.Labels), 1}, {"Targets", len(s.Targets), s.Outputs}, {"Groups", len(s.Groups), 1},
	} {
		if a.len != 0 && a.len != s.N*a.per {
			return fmt.Errorf("%w: %s has %d elements, want %d x %d", ErrData, a.name, a.len, s.N, a.per)
		}
	}
	if len(s.Groups) > 0 && slices.Min(s.Groups) < 0 {
		return fmt.Errorf("%w: group %d, want 0 or more", ErrData, slices.Min(s.Groups))
	}
	return s.CheckOutputs(s.Outputs)
}

// CheckOutputs tells whether a network with so many outputs can answer for the set: every class label below outputs, or
// targets of that width.
func (s *Set) CheckOutputs(outputs int) error {
	if s.Targets != nil && s.Outputs != outputs {
		return fmt.Errorf("%w: targets have %d numbers per example, the network has %d outputs", ErrData, s.Outputs, outputs)
	}
	for i, l := range s.Labels {
		if l < 0 || int(l) >= outputs {
			return fmt.Errorf("%w: label %d of example %d, the network's %d outputs allow 0 to %d", ErrData, l, i, outputs, outputs-1)
		}
	}
	return nil
}

// check compares the two sets: one kind of answer, one shape of example.
func (d Data) check() error {
	if d.Train == nil || d.Test == nil {
		return nil
	}
	a, b := d.Train, d.Test
	if a.Shape != nil && b.Shape != nil && !slices.Equal(a.Shape, b.Shape) {
		return fmt.Errorf("%w: training examples have shape %v, test examples %v", ErrData, a.Shape, b.Shape)
	}
	if (a.Targets != nil && b.Labels != nil) || (a.Labels != nil && b.Targets != nil) {
		return fmt.Errorf("%w: one of the training and test sets has class labels, the other has targets", ErrData)
	}
	if a.Targets != nil && b.Targets != nil && a.Outputs != b.Outputs {
		return fmt.Errorf("%w: training targets have %d numbers per example, test targets %d", ErrData, a.Outputs, b.Outputs)
	}
	return nil
}
