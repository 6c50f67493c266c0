package theory

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// DeadInputs returns which features are 0 in every example of the set, or in the given ones if they are not nil: no gradient of
// the data loss reaches the columns of the first weight at these (P3.8).
func DeadInputs(set *shard.Set, examples []int32) []int {
	alive, features := make([]bool, set.Size()), make([]float32, set.Size())
	look := func(i int) {
		if set.Bytes != nil { // many times faster than making numbers of them
			for j, v := range set.Bytes[i*len(alive):][:len(alive)] {
				alive[j] = alive[j] || v != 0
			}
			return
		}
		set.Features(features, i)
		for j, v := range features {
			alive[j] = alive[j] || v != 0
		}
	}
	if examples == nil {
		for i := range set.Len() {
			look(i)
		}
	}
	for _, i := range examples {
		look(int(i))
	}
	var dead []int
	for j, ok := range alive {
		if !ok {
			dead = append(dead, j)
		}
	}
	return dead
}

// ColumnNorm returns the Euclidean norm of the columns of a weight [out, in], all of them together.
func ColumnNorm(block []float32, weight tensor.View, columns []int) float64 {
	rows, cols, ok := weight.Matrix()
	if !ok || len(weight.Shape) != 2 {
		panic(fmt.Sprintf("theory: columns of %s, which is no matrix", weight.Name))
	}
	values, sum := tensor.Of(block, weight), 0.0
	for i := range rows {
		for _, j := range columns {
			v := float64(values[i*cols+j])
			sum += float64(v * v)
		}
	}
	return math.Sqrt(sum)
}

// Decay is the norm of weights that only weight decay moves, beside its prediction.
type Decay struct {
	Measured  float64
	Predicted float64  // the initial norm times the product of the rounds' factors (RoundDecay)
	Relative  *float64 // |Measured/Predicted - 1|, nil where Predicted is 0
}

// Compare returns the norm now beside the initial one times factor.
func Compare(initial, factor, now float64) Decay {
	d := Decay{Measured: now, Predicted: float64(initial * factor)}
	if d.Predicted != 0 {
		off := math.Abs(now/d.Predicted - 1)
		d.Relative = &off
	}
	return d
}
