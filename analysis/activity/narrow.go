package activity

import (
	"math"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// Narrow lets a machine in float64 be watched by what watches machines in float32. Outputs are rounded, but every gate stays
// as it is: what is positive stays positive.
type Narrow struct {
	To relu.Watcher[float32]

	rounded []float32
}

// Activation implements relu.Watcher.
func (n *Narrow) Activation(i int, y []float64, examples int) {
	n.rounded = n.rounded[:0]
	for _, v := range y {
		r := float32(v)
		if v > 0 && r == 0 {
			r = math.SmallestNonzeroFloat32
		}
		n.rounded = append(n.rounded, r)
	}
	n.To.Activation(i, n.rounded, examples)
}
