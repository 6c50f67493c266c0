package kernel

import "math"

// SGD is a step of stochastic gradient descent with PyTorch's semantics, as kernels take it: how a finished gradient g
// changes a weight w and its velocity v.
//
//	Momentum == 0: w <- fma(-LR, g, fma(-Shrink, w, w)), without the inner one where Decay == 0
//	Momentum != 0: g <- fma(Decay, w, g); v <- fma(Momentum, v, g); w <- fma(-LR, v, w), or with Nesterov
//	               w <- fma(-LR, fma(Momentum, v, g), w)
//
// Shrink is LR*Decay rounded once. Multiplying w by 1 - LR*Decay instead would quantise the decay to multiples of 2^-24.
type SGD[F Float] struct {
	LR, Decay, Momentum F
	Shrink              F
	Nesterov            bool
}

// NewSGD rounds the numbers of an optimizer to F.
func NewSGD[F Float](lr, decay, momentum float64, nesterov bool) SGD[F] {
	return SGD[F]{LR: F(lr), Decay: F(decay), Momentum: F(momentum), Shrink: F(lr * decay), Nesterov: nesterov}
}

func (s *SGD[F]) mode() int {
	switch {
	case s.Momentum != 0 && s.Nesterov:
		return modeNesterov
	case s.Momentum != 0:
		return modeMomentum
	case s.Decay != 0:
		return modeShrink
	}
	return modePlain
}

// Apply does the step for weights w with the finished gradient g; v are their velocities, of the same length, or nil
// without momentum.
func (s *SGD[F]) Apply(w, v, g []F) {
	g = g[:len(w)]
	mode := s.mode()
	if mode < modeMomentum {
		v = w // not looked at
	}
	for i := range w {
		s.update(mode, g[i], &w[i], &v[i])
	}
}

// Applier is SGD.Apply by the kernel in use, to the same bits. The zero value is ready; one goroutine uses it at a time.
type Applier[F Float] struct {
	zero, minus []F
	product     product[F]
}

// Apply does the step s for w, v and g as SGD.Apply does.
func (a *Applier[F]) Apply(s *SGD[F], w, v, g []F) {
	rows := len(w) / panelWidth
	if _, vectors := any(w).([]float32); !vectors || rows == 0 {
		s.Apply(w, v, g)
		return
	}
	// The sums of a product that goes on from the gradient by 0 x -0, which changes nothing, not even the sign of a zero.
	if a.zero == nil {
		a.zero, a.minus = make([]F, 1), make([]F, panelWidth)
		for i := range a.minus {
			a.minus[i] = F(math.Copysign(0, -1))
		}
	}
	n := rows * panelWidth
	p := &a.product
	*p = product[F]{a: a.zero, b: a.minus, c: w[:n], from: g[:n], rowC: panelWidth, rows: rows, lanes: panelWidth, terms: 1, mode: s.mode(), sgd: *s}
	rest := v
	if p.mode >= modeMomentum {
		p.extra, p.rowExtra, rest = v[:n], panelWidth, v[n:]
	}
	p.run()
	s.Apply(w[n:], rest, g[n:])
}

// update does one element's step; v is looked at only with momentum.
func (s *SGD[F]) update(mode int, g F, w, v *F) {
	switch mode {
	case modePlain:
		*w = fma(-s.LR, g, *w)
	case modeShrink:
		*w = fma(-s.LR, g, fma(-s.Shrink, *w, *w))
	case modeMomentum, modeNesterov:
		g = fma(s.Decay, *w, g)
		*v = fma(s.Momentum, *v, g)
		if mode == modeMomentum {
			g = *v
		} else {
			g = fma(s.Momentum, *v, g)
		}
		*w = fma(-s.LR, g, *w)
	}
}
