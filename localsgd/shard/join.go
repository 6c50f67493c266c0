package shard

import (
	"fmt"
	"slices"
)

// Part is what can be said of a shard that one process alone holds: how large its sets are and what they hash to.
type Part struct {
	Examples int // of the training set
	Tests    int // of the test set; 0: there is none
	Data     Fingerprint
}

// PartOf returns the part that a shard's own data are.
func PartOf(d Data) Part {
	p := Part{Examples: d.Train.N, Data: d.Fingerprint()}
	if d.Test != nil {
		p.Tests = d.Test.N
	}
	return p
}

// Check compares what is known of a part with what somebody shows, and wraps ErrOtherData with what differs first.
func (p Part) Check(shown Part) error {
	switch {
	case p.Examples != shown.Examples:
		return fmt.Errorf("%w: %d training examples here, %d there", ErrOtherData, p.Examples, shown.Examples)
	case p.Tests != shown.Tests:
		return fmt.Errorf("%w: %d test examples here, %d there", ErrOtherData, p.Tests, shown.Tests)
	}
	return p.Data.Check(shown.Data)
}

// Join puts the sets of shards one behind the other: set k becomes shard k of the result, which lists them as Given; nil is a
// shard that this process does not hold, and is empty there. All sets have the same shape of example and the same kind of
// answer. Features are bytes where all of them are, and values otherwise. The result may share memory with a lone set.
func Join(sets []*Set) (*Set, error) {
	joined, first := &Set{}, -1
	bytes, some := true, 0
	for k, s := range sets {
		if s == nil {
			continue
		}
		if first < 0 {
			first, joined.Shape, joined.Classes, joined.Outputs = k, s.Shape, s.Classes, s.Outputs
		}
		if !slices.Equal(s.Shape, joined.Shape) || s.Classes != joined.Classes || s.Outputs != joined.Outputs {
			return nil, fmt.Errorf("%w: shard %d has examples of shape %v with %d outputs, shard %d of shape %v with %d",
				ErrData, k, s.Shape, s.Outputs, first, joined.Shape, joined.Outputs)
		}
		bytes = bytes && s.Bytes != nil
		some++
	}
	if some == 0 {
		return nil, fmt.Errorf("%w: no shards", ErrData)
	}
	if some == 1 {
		*joined = *sets[first]
		joined.Given = make(Shards, len(sets))
		joined.Given[first] = span(0, joined.N)
		return joined, nil
	}
	joined.Given = make(Shards, len(sets))
	for k, s := range sets {
		if s == nil {
			continue
		}
		if joined.N > MaxExamples-s.N {
			return nil, fmt.Errorf("%w: more than %d examples in all shards", ErrData, MaxExamples)
		}
		joined.Given[k] = span(joined.N, s.N)
		joined.add(s, bytes)
	}
	return joined, nil
}

// add appends a set.
func (s *Set) add(more *Set, bytes bool) {
	s.N += more.N
	s.Labels, s.Targets = append(s.Labels, more.Labels...), append(s.Targets, more.Targets...)
	switch {
	case bytes:
		s.Bytes = append(s.Bytes, more.Bytes...)
	case more.Bytes != nil:
		for _, b := range more.Bytes {
			s.Values = append(s.Values, scaled[b])
		}
	default:
		s.Values = append(s.Values, more.Values...)
	}
}

// Outline returns a set of joined shards of the given sizes of which nothing is known but what like says.
func Outline(like *Set, sizes []int) (*Set, error) {
	s := &Set{Shape: like.Shape, Classes: like.Classes, Outputs: like.Outputs, Given: make(Shards, len(sizes))}
	for k, n := range sizes {
		if n < 1 || s.N > MaxExamples-n {
			return nil, fmt.Errorf("%w: shard %d of %d examples behind %d", ErrData, k, n, s.N)
		}
		s.Given[k] = span(s.N, n)
		s.N += n
	}
	return s, nil
}

// span returns so many numbers from first.
func span(first, n int) []int32 {
	examples := make([]int32, n)
	for i := range examples {
		examples[i] = int32(first + i)
	}
	return examples
}
