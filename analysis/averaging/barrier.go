package averaging

import (
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// BarrierPoints is the number of points of a line between two models (M18).
const BarrierPoints = 11

// Barrier is the loss along the line between two models.
type Barrier struct {
	Losses [BarrierPoints]float64 // at (1-alpha) A + alpha B, alpha = 0, .1, ..., 1
	Height float64                // largest excess over the line between the losses of A and B; at least 0, its value at the ends
	Alpha  float64                // where
}

// MeasureBarrier takes the loss at every point of the line from a to b (M18). loss may change the block that it gets, which is
// the same one at every point; with batch norm it recomputes the running statistics there first (see Recalibrator). M18 takes the
// cross entropy on the first 1,000 examples of the evaluation set.
func MeasureBarrier(a, b []float32, loss func(params []float32) (float64, error)) (*Barrier, error) {
	var barrier Barrier
	point := make([]float32, len(a))
	for i := range barrier.Losses {
		alpha := float64(i) / (BarrierPoints - 1)
		for j, v := range a {
			point[j] = float32(float64((1-alpha)*float64(v)) + float64(alpha*float64(b[j])))
		}
		l, err := loss(point)
		if err != nil {
			return nil, fmt.Errorf("loss at %g of the way between two models: %w", alpha, err)
		}
		barrier.Losses[i] = l
	}
	first, last := barrier.Losses[0], barrier.Losses[BarrierPoints-1]
	for i, l := range barrier.Losses[:BarrierPoints-1] {
		alpha := float64(i) / (BarrierPoints - 1)
		if over := l - (float64((1-alpha)*first) + float64(alpha*last)); over > barrier.Height {
			barrier.Height, barrier.Alpha = over, alpha
		}
	}
	return &barrier, nil
}

// Recalibrator sets the running statistics of batch norm to those of a batch, which a mean or a point between models does not
// have by itself. It holds a machine; one goroutine uses it at a time.
type Recalibrator struct {
	machine *relu.Machine[float32]
	needed  bool
}

// NewRecalibrator returns a Recalibrator for blocks of the network and batches of at most so many examples.
func NewRecalibrator(net *relu.Network, maxBatch int) (*Recalibrator, error) {
	layers, needed := forgetful(net.Layers())
	twin, err := relu.New(layers, net.InputShape(), net.Loss())
	if err != nil {
		return nil, fmt.Errorf("recalibrating: %w", err)
	}
	return &Recalibrator{relu.NewMachine[float32](twin, maxBatch), needed}, nil
}

// forgetful returns the layers with batch norms that keep nothing of earlier batches.
func forgetful(layers []relu.Layer) (twin []relu.Layer, needed bool) {
	twin = slices.Clone(layers)
	for i, l := range twin {
		switch l := l.(type) {
		case relu.BatchNorm:
			l.Momentum = 1
			twin[i], needed = l, true
		case relu.Residual:
			body, inBody := forgetful(l.Body)
			shortcut, inShortcut := forgetful(l.Shortcut)
			twin[i] = relu.Residual{Body: body, Shortcut: shortcut}
			needed = needed || inBody || inShortcut
		}
	}
	return twin, needed
}

// Recalibrate replaces the running statistics in params by mean and unbiased variance over the batch; a network without batch norm
// stays as it is. The batch needs labels or targets, and two examples at least.
func (r *Recalibrator) Recalibrate(params []float32, b *relu.Batch[float32]) {
	if r.needed {
		r.machine.Backward(params, b, nowhere{})
	}
}

type nowhere struct{}

func (nowhere) Gradient(int, []float32) {}
