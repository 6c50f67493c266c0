package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// reluStage executes a ReLU in place, or in its own room if it has one. Working in place is harmless: a layer before it does
// not look at its outputs again, and another ReLU only at their signs, which stay the same as far as its mask goes.
type reluStage[F kernel.Float] struct {
	slope        F
	room         []F
	y            []F
	done, undone bool // the layer before it does its forward pass, the one after it its backward pass
}

func (s *reluStage[F]) forward(_, x []F, _ int) []F {
	if s.room != nil {
		copy(s.room, x)
		x = s.room[:len(x)]
	}
	if !s.done {
		kernel.ReLU(x, s.slope)
	}
	s.y = x
	return x
}

func (s *reluStage[F]) backward(_, dy []F, _ bool, _ Sink[F]) []F {
	if !s.undone {
		kernel.ReLUGradient(dy, s.y, s.slope)
	}
	return dy
}
