package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// linearStage executes a Linear.
type linearStage[F kernel.Float] struct {
	in, out      int
	weight, bias int // offsets in the block; bias is -1 without one
	rows         *kernel.Rows[F]
	y            []F
	dx           []F // nil where no input gradient is needed
	row          []F // one row of the weight gradient: small enough to stay in the nearest cache until the sink has it
	column       []F // bias gradient
}

func newLinearStage[F kernel.Float](n *Network, layer, maxBatch int, want bool) *linearStage[F] {
	l := n.layers[layer].(Linear)
	s := &linearStage[F]{
		in:     l.In,
		out:    l.Out,
		weight: n.layout.At(n.first[layer]).Offset,
		bias:   -1,
		rows:   kernel.NewRows[F](maxBatch, l.In),
		y:      make([]F, maxBatch*l.Out),
		row:    make([]F, l.In),
	}
	if l.Bias {
		s.bias = n.layout.At(n.first[layer] + 1).Offset
		s.column = make([]F, l.Out)
	}
	if want {
		s.dx = make([]F, maxBatch*l.In)
	}
	return s
}

func (s *linearStage[F]) weights(params []F) []F { return params[s.weight:][:s.in*s.out] }

func (s *linearStage[F]) forward(params, x []F, n int) []F {
	var bias []F
	if s.bias >= 0 {
		bias = params[s.bias:][:s.out]
	}
	y := s.y[:n*s.out]
	s.rows.Set(x)
	kernel.Linear(y, s.rows, s.weights(params), bias, s.out)
	return y
}

func (s *linearStage[F]) backward(params, dy []F, want bool, sink Sink[F]) (dx []F) {
	if want {
		dx = s.dx[:s.rows.Len()*s.in]
		kernel.InputGradient(dx, dy, s.weights(params), s.out, s.in)
	}
	for o := range s.out {
		kernel.WeightGradient(s.row, s.rows, dy, s.out, o)
		sink.Gradient(s.weight+o*s.in, s.row)
	}
	if s.bias >= 0 {
		kernel.BiasGradient(s.column, dy)
		sink.Gradient(s.bias, s.column)
	}
	return dx
}

// reluStage executes a ReLU in place, or in its own room if it has one. Working in place is harmless: a linear layer does
// not look at its outputs again, and another ReLU only at their signs, which stay the same as far as its mask goes.
type reluStage[F kernel.Float] struct {
	slope F
	room  []F
	y     []F
}

func (s *reluStage[F]) forward(_, x []F, _ int) []F {
	if s.room != nil {
		copy(s.room, x)
		x = s.room[:len(x)]
	}
	kernel.ReLU(x, s.slope)
	s.y = x
	return x
}

func (s *reluStage[F]) backward(_, dy []F, _ bool, _ Sink[F]) []F {
	kernel.ReLUGradient(dy, s.y, s.slope)
	return dy
}
