package relu

import (
	"github.com/fedrelu/fedrelu/internal/detmath"
	"github.com/fedrelu/fedrelu/internal/kernel"
)

// flattenStage executes a Flatten: the numbers of an example lie in one row anyway.
type flattenStage[F kernel.Float] struct{}

func (flattenStage[F]) forward(_, x []F, _ int) []F { return x }

func (flattenStage[F]) backward(_, dy []F, _ bool, _ Sink[F]) []F { return dy }

// scaleStage executes a Scale in place, or in its own room if it has one.
type scaleStage[F kernel.Float] struct {
	factor F
	room   []F
}

func (s *scaleStage[F]) forward(_, x []F, _ int) []F {
	y := x
	if s.room != nil {
		y = s.room[:len(x)]
	}
	for i, v := range x {
		y[i] = F(s.factor * v)
	}
	return y
}

func (s *scaleStage[F]) backward(_, dy []F, _ bool, _ Sink[F]) []F {
	for i, v := range dy {
		dy[i] = F(s.factor * v)
	}
	return dy
}

// softplusLinear is where softplus becomes x itself, as in PyTorch: the difference is below 2.1e-9.
const softplusLinear = 20

// softplusStage executes a Softplus, in float64 whatever F is.
type softplusStage[F kernel.Float] struct {
	y, slope []F
}

func (s *softplusStage[F]) forward(_, x []F, _ int) []F {
	y, slope := s.y[:len(x)], s.slope[:len(x)]
	for i, v := range x {
		if v > softplusLinear {
			y[i], slope[i] = v, 1
			continue
		}
		e := detmath.Exp(float64(v))
		y[i], slope[i] = F(detmath.Log1p(e)), F(e/(1+e))
	}
	return y
}

func (s *softplusStage[F]) backward(_, dy []F, _ bool, _ Sink[F]) []F {
	slope := s.slope[:len(dy)]
	for i, v := range slope {
		dy[i] = F(dy[i] * v)
	}
	return dy
}
