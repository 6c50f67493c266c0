package localsgd

// SGD is stochastic gradient descent with PyTorch's semantics: the gradient takes weight decay (L2) first, the momentum
// buffer starts as the first gradient, there is no dampening.
type SGD struct {
	LR          float64
	Momentum    float64
	Nesterov    bool
	WeightDecay float64
	NoDecay     []string // globs of the names of tensors without weight decay
}

// sgdSink applies SGD to the parameters while the backward pass hands over the gradient: a fused step. It lives for one
// task; reset makes it fresh.
type sgdSink struct {
	params   []float32
	velocity []float32 // only with momentum
	lr       float32
	momentum float32
	nesterov bool

	decay, fullDecay float32 // of the tensor at hand; of the optimizer
}

func (s *sgdSink) reset(o SGD, params []float32) {
	s.params = params
	s.lr, s.momentum, s.nesterov = float32(o.LR), float32(o.Momentum), o.Nesterov
	s.decay, s.fullDecay = float32(o.WeightDecay), float32(o.WeightDecay)
	if s.momentum == 0 {
		return
	}
	if len(s.velocity) != len(params) {
		s.velocity = make([]float32, len(params))
	}
	// momentum*0 + g is g, so a buffer of zeros is PyTorch's first step.
	clear(s.velocity)
}

// Gradient takes the finished piece g of the gradient at offset and updates the parameters there.
func (s *sgdSink) Gradient(offset int, g []float32) {
	w := s.params[offset : offset+len(g)]
	switch {
	case s.momentum != 0:
		s.heavy(w, s.velocity[offset:offset+len(g)], g)
	case s.decay != 0:
		for i, d := range g {
			d += float32(s.decay * w[i])
			w[i] -= float32(s.lr * d)
		}
	default:
		for i, d := range g {
			w[i] -= float32(s.lr * d)
		}
	}
}

func (s *sgdSink) heavy(w, v, g []float32) {
	for i, d := range g {
		d += float32(s.decay * w[i])
		v[i] = float32(s.momentum*v[i]) + d
		if s.nesterov {
			d += float32(s.momentum * v[i])
		} else {
			d = v[i]
		}
		w[i] -= float32(s.lr * d)
	}
}
