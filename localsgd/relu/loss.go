package relu

import (
	"fmt"

	"github.com/fedrelu/fedrelu/internal/detmath"
	"github.com/fedrelu/fedrelu/internal/kernel"
)

// Losses are computed in float64, whatever F is: they cost little beside the layers, and sums over many examples keep
// their digits.

// lossGradient writes the gradient of the batch's mean loss with respect to the outputs y to dy and returns the loss.
func (m *Machine[F]) lossGradient(dy, y []F, b *Batch[F]) float64 {
	out := m.net.outputs
	share := 1 / float64(b.N)
	sum := 0.0
	for i := range b.N {
		sum += m.exampleLoss(y[i*out:(i+1)*out], b, i)
		for o, g := range m.grad {
			dy[i*out+o] = F(g * share)
		}
	}
	return sum / float64(b.N)
}

// exampleLoss returns the loss of example i, whose outputs are y, and leaves its gradient in m.grad.
func (m *Machine[F]) exampleLoss(y []F, b *Batch[F], i int) float64 {
	switch {
	case b.hasTargets(m.net.loss):
		return squaredError(m.grad, y, b.Targets[i*len(y):][:len(y)])
	case m.net.loss == MSE:
		return squaredErrorOneHot(m.grad, y, b.label(i, len(y)))
	}
	if m.net.smoothing != 0 {
		return smoothed(m.grad, y, b.label(i, len(y)), m.net.smoothing)
	}
	return crossEntropy(m.grad, y, b.label(i, len(y)))
}

// label returns the label of example i, which must be one of classes.
func (b *Batch[F]) label(i, classes int) int {
	label := int(b.Labels[i])
	if label < 0 || label >= classes {
		panic(fmt.Sprintf("relu: label %d of example %d in a network of %d outputs", label, i, classes))
	}
	return label
}

// crossEntropy returns -log softmax(y)[label] and writes its gradient. The largest output is subtracted first, so that no
// finite output overflows.
func crossEntropy[F kernel.Float](grad []float64, y []F, label int) float64 {
	top := float64(y[0])
	for _, v := range y {
		top = max(top, float64(v))
	}
	sum := 0.0
	for o, v := range y {
		grad[o] = detmath.Exp(float64(v) - top)
		sum += grad[o]
	}
	scale := 1 / sum
	for o := range grad {
		grad[o] = float64(grad[o] * scale)
	}
	grad[label]--
	return detmath.Log(sum) - (float64(y[label]) - top)
}

// smoothed is crossEntropy with label smoothing s: (1-s) times it plus s times the mean of -log softmax(y) over the outputs.
func smoothed[F kernel.Float](grad []float64, y []F, label int, s float64) float64 {
	loss := crossEntropy(grad, y, label)
	grad[label]++
	// -log softmax(y)[o] is loss + y[label] - y[o].
	sum, share := 0.0, s/float64(len(y))
	for o, v := range y {
		sum += float64(y[label]) - float64(v)
		grad[o] -= share
	}
	grad[label] -= 1 - s
	return loss + float64(share*sum)
}

// squaredError returns the mean of (y-target)^2 over the outputs and writes its gradient.
func squaredError[F kernel.Float](grad []float64, y, target []F) float64 {
	for o, v := range y {
		grad[o] = float64(v) - float64(target[o])
	}
	return meanSquare(grad)
}

// squaredErrorOneHot is squaredError against 1 at label and 0 elsewhere.
func squaredErrorOneHot[F kernel.Float](grad []float64, y []F, label int) float64 {
	for o, v := range y {
		grad[o] = float64(v)
	}
	grad[label]--
	return meanSquare(grad)
}

// meanSquare returns the mean of d^2 and replaces d by its gradient.
func meanSquare(d []float64) float64 {
	sum := 0.0
	scale := 2 / float64(len(d))
	for o, v := range d {
		sum += float64(v * v)
		d[o] = float64(v * scale)
	}
	return sum / float64(len(d))
}

// countCorrect returns how many rows of y have their largest output at the label; the lowest index wins ties.
func countCorrect[F kernel.Float](y []F, labels []int32, out int) int {
	correct := 0
	for i, label := range labels {
		if wins(y[i*out:(i+1)*out], int(label)) {
			correct++
		}
	}
	return correct
}

// wins tells whether index label is the argmax of y. Where NaN is compared it is not.
func wins[F kernel.Float](y []F, label int) bool {
	top := y[label]
	for o, v := range y {
		if o < label && !(top > v) || o >= label && !(top >= v) {
			return false
		}
	}
	return true
}
