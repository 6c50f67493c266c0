package noise

import (
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Batches is the number of mini-batches of one measurement (M14).
const Batches = 8

// Draw returns which of a shard's examples (positions 0..n-1 in the shard) are in each of the Batches mini-batches of size b:
// without replacement within a batch, by (seed, "gradient noise", round, shard, batch), ascending. A batch is the whole shard where
// that has no more examples.
func Draw(seed uint64, round, shard, n, b int) [Batches][]int32 {
	var batches [Batches][]int32
	for i := range batches {
		order := keyed.New(seed, "gradient noise", uint64(round), uint64(shard), uint64(i)).Perm(n)
		batches[i] = order[:min(n, b)]
		slices.Sort(batches[i])
	}
	return batches
}

// Spread collects gradients of mini-batches at one model, one at a time. It keeps 8 bytes for each parameter.
type Spread struct {
	sum     []float64
	squares float64 // sum of ||g_S||^2
	n       int
}

// NewSpread returns a Spread for gradients of so many numbers (0 at buffers).
func NewSpread(size int) *Spread { return &Spread{sum: make([]float64, size)} }

// Add takes the gradient of one mini-batch.
func (s *Spread) Add(gradient []float32) {
	s.n++
	square := 0.0
	for i, g := range gradient {
		v := float64(g)
		s.sum[i] += v
		square += float64(v * v)
	}
	s.squares += square
}

// Noise is what the spread of mini-batch gradients says (M14).
type Noise struct {
	Spread float64  // mean of ||g_S - g||^2 times n/(n-1), g the mean of the n gradients: the variance of one batch's gradient
	Mean   float64  // ||g||^2
	Scale  *float64 // B spread / (||g||^2 - spread/n), the batch size at which noise equals signal; nil unless the denominator is positive
}

// Noise returns the noise of the gradients so far, which were of batches of size b; nil for fewer than two.
func (s *Spread) Noise(b int) *Noise {
	if s.n < 2 {
		return nil
	}
	n, mean := float64(s.n), 0.0
	for _, v := range s.sum {
		g := v / n
		mean += float64(g * g)
	}
	noise := &Noise{Spread: max(0, (s.squares-float64(n*mean))/(n-1)), Mean: mean}
	if signal := mean - noise.Spread/n; signal > 0 {
		scale := float64(b) * noise.Spread / signal
		noise.Scale = &scale
	}
	return noise
}
