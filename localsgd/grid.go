package localsgd

import (
	"errors"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// The grid's constants. A tensor of two or more dimensions sums in one int64 an element, any other one in 128 bits:
// biases, norm parameters and running statistics are few, and values in the thousands are legal there.
const (
	matrixBits  = 52 // a matrix's quantum is 2^-52 times its scale
	vectorBits  = 80 // a vector's 2^-80
	matrixRange = 10 // a matrix's values reach 2^10 times its scale
	vectorRange = 40 // a vector's 2^40
)

// Grid is the fixed-point grid of a round's exact mean, derived from the round's start parameters alone: each tensor has
// the quantum 2^-52 (2^-80 below two dimensions) times its scale, max(1, 2^ceil(log2 max|start|)).
//
// A Grid is immutable and may be shared.
type Grid struct {
	layout  *tensor.Layout
	tensors []gridTensor
}

type gridTensor struct {
	tensor.View
	wide    bool    // sums in 128 bits
	quantum int     // the binary exponent of the quantum
	limit   float32 // the largest magnitude that an update may have
	word    int     // where the tensor's words start in Sum.words
}

// ErrRange is wrapped by a *RangeError.
var ErrRange = errors.New("value outside the range of the exact mean")

// RangeError names a value that is NaN, infinite, or too large to be averaged exactly.
type RangeError struct {
	Tensor string
	Index  int
	Value  float64
	Limit  float64
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("%s[%d] = %g: %v (magnitude at most %g)", e.Tensor, e.Index, e.Value, ErrRange, e.Limit)
}

func (e *RangeError) Unwrap() error { return ErrRange }

// NewGrid derives the grid of a round from its start parameters, which must be finite.
func NewGrid(layout *tensor.Layout, start []float32) *Grid {
	g := &Grid{layout: layout, tensors: make([]gridTensor, layout.Len())}
	word := 0
	for i := range g.tensors {
		t := newGridTensor(layout.At(i), maxMagnitude(tensor.Of(start, layout.At(i))))
		t.word = word
		word += t.words()
		g.tensors[i] = t
	}
	return g
}

func newGridTensor(v tensor.View, largest float32) gridTensor {
	scale := max(0, ceilLog2(largest))
	if len(v.Shape) < 2 {
		return gridTensor{View: v, wide: true, quantum: scale - vectorBits, limit: float32(math.Ldexp(1, vectorRange+scale))}
	}
	// 1024*max(1, largest) and not 1024 times the scale: exact, since a float32 times a power of two is.
	return gridTensor{View: v, quantum: scale - matrixBits, limit: float32(1<<matrixRange) * max(1, largest)}
}

func (t *gridTensor) words() int {
	if t.wide {
		return 2 * t.Size
	}
	return t.Size
}

// words returns the number of 64-bit words of a sum on this grid.
func (g *Grid) words() int {
	if len(g.tensors) == 0 {
		return 0
	}
	last := &g.tensors[len(g.tensors)-1]
	return last.word + last.words()
}

// Layout returns the layout of the parameters that the grid is for.
func (g *Grid) Layout() *tensor.Layout { return g.layout }

// Quanta returns the binary exponent of each tensor's quantum, in the order of the layout.
func (g *Grid) Quanta() []int32 {
	q := make([]int32, len(g.tensors))
	for i := range g.tensors {
		q[i] = int32(g.tensors[i].quantum)
	}
	return q
}

// Check returns a *RangeError for the first value of an update that the mean cannot take.
func (g *Grid) Check(end []float32) error {
	for i := range g.tensors {
		t := &g.tensors[i]
		if err := t.check(tensor.Of(end, t.View), 0); err != nil {
			return err
		}
	}
	return nil
}

// check looks at values that stand at index first and after in the tensor.
func (t *gridTensor) check(values []float32, first int) error {
	// An infinite limit allows every finite value.
	limit := kernel.Magnitude(min(t.limit, math.MaxFloat32))
	if kernel.Largest(values) <= limit {
		return nil
	}
	for j, x := range values {
		if kernel.Magnitude(x) > limit {
			return &RangeError{Tensor: t.Name, Index: first + j, Value: float64(x), Limit: float64(t.limit)}
		}
	}
	return nil
}

func maxMagnitude(x []float32) float32 { return math.Float32frombits(kernel.Largest(x)) }

// ceilLog2 returns ceil(log2 x) of a finite x >= 0, and the smallest int for 0.
func ceilLog2(x float32) int {
	if x == 0 {
		return math.MinInt
	}
	frac, exp := math.Frexp(float64(x))
	if frac == 0.5 {
		return exp - 1
	}
	return exp
}
