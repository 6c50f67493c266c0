package noise

import (
	"math"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Change is how far one weight has moved.
type Change struct {
	Name     string   // of the tensor
	Relative *float64 // ||after - before||_F / ||before||_F, nil where before is 0 or a value is not finite
}

// Changes returns the relative change of every weight of two or more dimensions between two blocks, in the order of the layout:
// over a step, a round or an epoch.
func Changes(layout *tensor.Layout, before, after []float32) []Change {
	var changes []Change
	for i := range layout.Len() {
		v := layout.At(i)
		if _, _, matrix := v.Matrix(); !matrix || v.Buffer {
			continue
		}
		moved, norm := distance(tensor.Of(before, v), tensor.Of(after, v))
		changes = append(changes, Change{v.Name, quotient(moved, norm)})
	}
	return changes
}

// Whole returns round_rel, ||after - before|| / ||before|| over all parameters (M2, M14); nil as in Change.
func Whole(layout *tensor.Layout, before, after []float32) *float64 {
	var moved, norm float64
	for i := range layout.Len() {
		if v := layout.At(i); !v.Buffer {
			m, n := distance(tensor.Of(before, v), tensor.Of(after, v))
			moved, norm = moved+m, norm+n
		}
	}
	return quotient(moved, norm)
}

// distance returns ||after - before||^2 and ||before||^2.
func distance(before, after []float32) (moved, norm float64) {
	for i, b := range before {
		d := float64(after[i]) - float64(b)
		moved += float64(d * d)
		norm += float64(float64(b) * float64(b))
	}
	return moved, norm
}

// quotient returns sqrt(a/b), nil unless it is a finite number.
func quotient(a, b float64) *float64 {
	q := math.Sqrt(a) / math.Sqrt(b)
	if math.IsNaN(q) || math.IsInf(q, 0) {
		return nil
	}
	return &q
}

// Dist returns the mean of the changes, which over an epoch is the Dist of P1 and P3; nil if one of them is, or there is none.
func Dist(changes []Change) *float64 {
	sum := 0.0
	for _, c := range changes {
		if c.Relative == nil {
			return nil
		}
		sum += *c.Relative
	}
	if len(changes) == 0 {
		return nil
	}
	mean := sum / float64(len(changes))
	return &mean
}

// Steps collects step_rel: the mean over the steps of a round of each weight's change (M14).
type Steps struct {
	names []string
	sums  []float64
	count []int
}

// Add takes the changes of one step; all steps must be of one layout.
func (s *Steps) Add(changes []Change) {
	if s.names == nil {
		s.names, s.sums, s.count = make([]string, len(changes)), make([]float64, len(changes)), make([]int, len(changes))
	}
	for i, c := range changes {
		s.names[i] = c.Name
		if c.Relative != nil {
			s.sums[i] += *c.Relative
			s.count[i]++
		}
	}
}

// Mean returns the mean of each weight over the steps that have one.
func (s *Steps) Mean() []Change {
	mean := make([]Change, len(s.names))
	for i, name := range s.names {
		mean[i].Name = name
		if s.count[i] > 0 {
			m := s.sums[i] / float64(s.count[i])
			mean[i].Relative = &m
		}
	}
	return mean
}
