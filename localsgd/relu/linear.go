package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// linearStage executes a Linear. Its kernels want the weights in another order than the block has: it works on a copy,
// taken at every forward pass, or only once where the machine holds the parameters.
type linearStage[F kernel.Float] struct {
	in, out      int
	weight, bias int  // offsets in the block; bias is -1 without one
	relu         bool // the next layer is a ReLU of slope 0, which is done here
	mask         bool // the layer before is: its gradient is done here
	held         bool
	stepped      bool // since it is held: w is newer than the block

	w, velocity *kernel.Weights[F] // velocity is nil before the first step with momentum
	moving      bool               // velocity is that of this hold
	x           []F                // the last input
	inputs      []F                // the same with rows as far apart as kernels want
	n           int
	y, dx       []F // dx is nil where no input gradient is needed; both with kernel.Slack
	wide        []F // room for inputs, nil where x will do
	padded      []F // room for dy with rows as far apart as kernels want, nil where dy will do
	scratch     []F
}

func newLinearStage[F kernel.Float](n *Network, layer, maxBatch int, want bool) *linearStage[F] {
	l := n.layers[layer].(Linear)
	s := &linearStage[F]{
		in:     l.In,
		out:    l.Out,
		weight: n.layout.At(n.first[layer]).Offset,
		bias:   -1,
		relu:   n.plainReLU(layer + 1),
		w:      kernel.NewWeights[F](l.In, l.Out, l.Bias),
		y:      make([]F, maxBatch*l.Out+kernel.Slack),
	}
	if l.Bias {
		s.bias = n.layout.At(n.first[layer] + 1).Offset
	}
	if want {
		s.mask = n.joined[layer] && n.plainReLU(layer-1)
		s.dx = make([]F, maxBatch*l.In+kernel.Slack)
	}
	s.scratch = make([]F, s.w.Scratch())
	if width := s.w.OutputWidth(); width != l.Out {
		s.padded = make([]F, maxBatch*width)
	}
	if width := s.w.InputWidth(); width != l.In {
		s.wide = make([]F, maxBatch*width)
	}
	return s
}

// plainReLU tells whether layer i is a ReLU of slope 0 right after a Linear, which does its forward pass. Its gradient is
// done by a Linear right after it, whose input is the other one's output.
func (n *Network) plainReLU(i int) bool {
	if i < 1 || i >= len(n.layers) || !n.joined[i] {
		return false
	}
	r, ok := n.layers[i].(ReLU)
	_, after := n.layers[i-1].(Linear)
	return ok && after && r.Slope == 0
}

// tensors returns the layer's part of the block; b is nil without biases.
func (s *linearStage[F]) tensors(params []F) (w, b []F) {
	if s.bias >= 0 {
		b = params[s.bias:][:s.out]
	}
	return params[s.weight:][:s.in*s.out], b
}

// hold takes the weights for more than one pass; velocities start anew.
func (s *linearStage[F]) hold(params []F) {
	s.w.Load(s.tensors(params))
	s.held, s.stepped, s.moving = true, false, false
}

// borrow uses the copy that the same layer holds in another machine.
func (s *linearStage[F]) borrow(from stage[F]) {
	s.w.Borrow(from.(*linearStage[F]).w)
	s.held, s.stepped, s.moving = true, false, false
}

// release puts the weights back, if there is a place.
func (s *linearStage[F]) release(params []F) {
	if params != nil {
		s.w.Save(s.tensors(params))
	}
	s.held = false
}

func (s *linearStage[F]) forward(params, x []F, n int) []F {
	if !s.held {
		s.w.Load(s.tensors(params))
	}
	s.x, s.n, s.inputs = x, n, spread(s.wide, x, n, s.w.InputWidth())
	s.w.Forward(s.y[:n*s.out+kernel.Slack], s.inputs, n, s.relu)
	return s.y[:n*s.out]
}

func (s *linearStage[F]) backward(params, dy []F, want bool, sink Sink[F]) (dx []F) {
	dy = spread(s.padded, dy, s.n, s.w.OutputWidth())
	if want {
		dx = s.inputGradient(dy)
	}
	if step, ok := sink.(Stepper[F]); ok && s.held {
		s.step(dy, step.SGD())
		return dx
	}
	s.handOver(dy, sink)
	if s.held && !s.stepped {
		s.w.Load(s.tensors(params)) // the sink may have changed them
	}
	return dx
}

func (s *linearStage[F]) inputGradient(dy []F) []F {
	var mask []F
	if s.mask {
		mask = s.x[:s.n*s.in+kernel.Slack] // it is the output of a linearStage, with slack
	}
	s.w.InputGradient(s.dx[:s.n*s.in+kernel.Slack], dy, s.n, mask, s.scratch)
	return s.dx[:s.n*s.in]
}

// spread copies n rows into room, at this distance, and returns them; without room it returns the rows as they are. What
// the room has behind a row stays.
func spread[F kernel.Float](room, rows []F, n, distance int) []F {
	if room == nil {
		return rows
	}
	width := len(rows) / n
	for i := range n {
		copy(room[i*distance:], rows[i*width:][:width])
	}
	return room[:n*distance]
}

// step updates the held weights.
func (s *linearStage[F]) step(dy []F, sgd *kernel.SGD[F]) {
	if sgd.Momentum != 0 && !s.moving {
		s.rest()
	}
	s.w.Update(s.velocity, s.inputs, dy, s.n, sgd)
	s.stepped = true
}

// rest sets the velocities to zero: momentum*0 + g is g, PyTorch's first step.
func (s *linearStage[F]) rest() {
	s.moving = true
	if s.velocity == nil {
		s.velocity = kernel.NewWeights[F](s.in, s.out, s.bias >= 0)
		return
	}
	s.velocity.Clear()
}

// handOver gives the gradient to the sink, some rows of the weight at a time.
func (s *linearStage[F]) handOver(dy []F, sink Sink[F]) {
	for p := range s.w.Panels() {
		first, rows, bias := s.w.Gradient(p, s.inputs, dy, s.n, s.scratch)
		sink.Gradient(s.weight+first*s.in, rows)
		if s.bias >= 0 {
			sink.Gradient(s.bias+first, bias)
		}
	}
}
