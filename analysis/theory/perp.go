package theory

import (
	"fmt"
	"math"
)

// Range is the space that the inputs of a linear model span. The part of the weight outside of it, W_perp = W (I-P), meets no
// gradient of any loss of W x: every step of SGD multiplies it by exactly 1 - lr wd (P3 3.2).
type Range struct {
	inputs int
	basis  [][]float64 // orthonormal
}

// rangeTolerance is the part of an input outside of the span of those before it below which it counts as inside.
const rangeTolerance = 1e-10

// NewRange returns the span of examples, each a row of so many inputs. It keeps up to min(examples, inputs) vectors.
func NewRange(examples []float64, inputs int) *Range {
	if inputs < 1 || len(examples)%inputs != 0 {
		panic(fmt.Sprintf("theory: %d numbers are no examples of %d inputs", len(examples), inputs))
	}
	r := &Range{inputs: inputs}
	for ; len(examples) > 0; examples = examples[inputs:] {
		v := append([]float64(nil), examples[:inputs]...)
		before := length(v)
		r.remove(v)
		r.remove(v) // once more, for what rounding left
		if after := length(v); after > float64(rangeTolerance*before) {
			for i := range v {
				v[i] /= after
			}
			r.basis = append(r.basis, v)
		}
	}
	return r
}

// Rank returns the dimension of the span.
func (r *Range) Rank() int { return len(r.basis) }

// Outside returns ||W (I-P)||_F of a matrix whose rows have the range's number of inputs.
func (r *Range) Outside(weight []float64) float64 {
	sum := 0.0
	for ; len(weight) >= r.inputs; weight = weight[r.inputs:] {
		row := append([]float64(nil), weight[:r.inputs]...)
		r.remove(row)
		norm := length(row)
		sum += float64(norm * norm)
	}
	return math.Sqrt(sum)
}

// remove takes the part of v inside the span out of it.
func (r *Range) remove(v []float64) {
	for _, b := range r.basis {
		along := 0.0
		for i, x := range b {
			along += float64(x * v[i])
		}
		for i, x := range b {
			v[i] -= float64(along * x)
		}
	}
}

func length(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x * x)
	}
	return math.Sqrt(sum)
}
