package localsgd

import "github.com/fedrelu/fedrelu/internal/kernel"

// SGD is stochastic gradient descent with PyTorch's semantics: the gradient takes weight decay (L2) first, the momentum
// buffer starts as the first gradient, there is no dampening.
type SGD struct {
	LR          float64
	Momentum    float64
	Nesterov    bool
	WeightDecay float64
	NoDecay     []string // globs of the names of tensors without weight decay
}

// sgdSink applies SGD to the parameters while the backward pass hands over the gradient: a fused step. Linear layers and
// convolutions that hold their parameters do the same step themselves. It lives for one task; reset makes it fresh.
type sgdSink[F kernel.Float] struct {
	step     kernel.SGD[F]
	params   []F
	applier  kernel.Applier[F]
	velocity []F  // only with momentum, for what comes as a gradient
	moving   bool // velocity is of this task
	decay    F    // of the optimizer; step has that of the tensor at hand
}

func (s *sgdSink[F]) reset(o SGD, params []F) {
	s.params = params
	s.step = kernel.NewSGD[F](o.LR, o.WeightDecay, o.Momentum, o.Nesterov)
	s.moving = false
	s.decay = s.step.Decay
}

// SGD implements relu.Stepper.
func (s *sgdSink[F]) SGD() *kernel.SGD[F] { return &s.step }

// Gradient takes the finished piece g of the gradient at offset and updates the parameters there.
func (s *sgdSink[F]) Gradient(offset int, g []F) {
	var v []F
	if s.step.Momentum != 0 {
		s.move()
		v = s.velocity[offset : offset+len(g)]
	}
	s.applier.Apply(&s.step, s.params[offset:offset+len(g)], v, g)
}

// move sees to it that there are velocities. They start at zero: momentum*0 + g is g, PyTorch's first step.
func (s *sgdSink[F]) move() {
	if s.moving {
		return
	}
	s.moving = true
	if len(s.velocity) != len(s.params) {
		s.velocity = make([]F, len(s.params))
	}
	clear(s.velocity)
}

// load begins a task with the velocities that another one has left.
func (s *sgdSink[F]) load(velocity []float32) {
	s.move()
	convert(s.velocity, velocity)
}

// save writes the velocities as they are.
func (s *sgdSink[F]) save(velocity []float32) {
	s.move()
	convert(velocity, s.velocity)
}
