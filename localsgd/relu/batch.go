package relu

import (
	"fmt"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// Batch is N examples with what their outputs should be.
//
// CrossEntropy needs Labels. MSE takes Targets if there are any, else Labels as one-hot targets.
type Batch[F kernel.Float] struct {
	N       int
	X       []F     // N x Inputs, row-major
	Labels  []int32 // N class labels, 0 <= label < Outputs
	Targets []F     // N x Outputs, row-major
}

// Sink receives a gradient piece by piece.
type Sink[F kernel.Float] interface {
	// Gradient hands over the gradient of parameters offset..offset+len(g)-1. Each backward pass hands over each element
	// exactly once. g is valid, and may be changed, only during the call. Backward does not look at these parameters any
	// more, so a sink may update them in place.
	Gradient(offset int, g []F)
}

// Stepper is a Sink that does with a gradient what the kernels can do while they compute it. Where a machine holds the
// parameters (see Machine.Hold), a layer may do the step itself and hand over nothing.
type Stepper[F kernel.Float] interface {
	Sink[F]
	// SGD returns the step, the same until the machine's Release.
	SGD() *kernel.SGD[F]
}

// hasTargets tells whether the loss looks at Targets, not at Labels.
func (b *Batch[F]) hasTargets(loss Loss) bool { return loss == MSE && len(b.Targets) > 0 }

// check panics unless labels or targets fit n examples; whoever fills batches has checked data and network against each
// other before.
func (n *Network) check(examples, labels, targets int) {
	switch {
	case n.loss == MSE && targets != 0:
		if targets != examples*n.outputs {
			panic(fmt.Sprintf("relu: %d targets for %d examples of %d outputs", targets, examples, n.outputs))
		}
	case labels != examples:
		panic(fmt.Sprintf("relu: %d labels for %d examples", labels, examples))
	}
}
