package localsgd

import (
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// AdamW is Loshchilov and Hutter's Adam with decoupled weight decay, as torch.optim.AdamW. The state has
// the precision of the parameters; the arithmetic of a step is float64, rounded once for each number that is stored.
type AdamW struct {
	LR           float64
	Beta1, Beta2 float64 // in [0, 1)
	Eps          float64
	WeightDecay  float64
	NoDecay      []string // globs of the names of tensors without weight decay
}

// adamSink applies AdamW to the parameters while the backward pass hands over the gradient. It lives for one task; reset
// makes it fresh.
type adamSink[F kernel.Float] struct {
	params         []F
	mean, square   []F // moving averages of the gradient and of its square
	o              AdamW
	steps          int
	power1, power2 float64 // beta to the number of steps
	rate           float64 // lr, corrected for a mean that starts at 0
	root           float64 // the same for the root of the squares: its inverse
	decay          float64 // the factor of weight decay
}

// reset begins a task.
func (s *adamSink[F]) reset(o AdamW, params []F) {
	s.o, s.params = o, params
	s.steps, s.power1, s.power2 = 0, 1, 1
	if len(s.mean) != len(params) {
		s.mean, s.square = make([]F, len(params)), make([]F, len(params))
	}
	clear(s.mean)
	clear(s.square)
}

// begin counts a step.
func (s *adamSink[F]) begin() {
	s.steps++
	s.power1 = float64(s.power1 * s.o.Beta1)
	s.power2 = float64(s.power2 * s.o.Beta2)
	s.rate = s.o.LR / (1 - s.power1)
	s.root = 1 / math.Sqrt(1-s.power2)
	s.decays(true)
}

// decays switches weight decay.
func (s *adamSink[F]) decays(on bool) {
	s.decay = 1
	if on {
		s.decay = 1 - float64(s.o.LR*s.o.WeightDecay)
	}
}

// Gradient takes the finished piece g of the gradient at offset and updates the parameters there.
func (s *adamSink[F]) Gradient(offset int, g []F) {
	w, mean, square := s.params[offset:][:len(g)], s.mean[offset:][:len(g)], s.square[offset:][:len(g)]
	for i, d := range g {
		d := float64(d)
		m := float64(s.o.Beta1*float64(mean[i])) + float64((1-s.o.Beta1)*d)
		v := float64(s.o.Beta2*float64(square[i])) + float64((1-s.o.Beta2)*d*d)
		mean[i], square[i] = F(m), F(v)
		step := s.rate * m / (float64(math.Sqrt(v)*s.root) + s.o.Eps)
		w[i] = F(float64(float64(w[i])*s.decay) - step)
	}
}

// load begins a task where another one has stopped: after so many steps.
func (s *adamSink[F]) load(mean, square []float32, steps int) {
	convert(s.mean, mean)
	convert(s.square, square)
	s.steps = steps
	s.power1, s.power2 = powerOf(s.o.Beta1, steps), powerOf(s.o.Beta2, steps)
}

// save writes the state as it is, and returns the number of steps.
func (s *adamSink[F]) save(mean, square []float32) (steps int) {
	convert(mean, s.mean)
	convert(square, s.square)
	return s.steps
}
