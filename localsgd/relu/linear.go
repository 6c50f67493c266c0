package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// linearStage executes a Linear.
type linearStage[F kernel.Float] struct {
	keeper[F, *kernel.Weights[F]]
	in, out int
	relu    bool // the next layer is a ReLU of slope 0, which is done here
	mask    bool // the layer before is: its gradient is done here

	x      []F // the last input
	inputs []F // the same with rows as far apart as kernels want
	n      int
	y, dx  []F // dx is nil where no input gradient is needed; both with kernel.Slack
	wide   []F // room for inputs, nil where x will do
	padded []F // room for dy with rows as far apart as kernels want, nil where dy will do
	pass   kernel.Backward[F]
}

func newLinearStage[F kernel.Float](n *Network, layer, maxBatch int, want bool) *linearStage[F] {
	l := n.layers[layer].(Linear)
	s := &linearStage[F]{
		in:   l.In,
		out:  l.Out,
		relu: n.plainReLU(layer + 1),
		y:    make([]F, maxBatch*l.Out+kernel.Slack),
	}
	s.w = kernel.NewWeights[F](l.In, l.Out, l.Bias)
	s.place(n, layer)
	if want {
		s.mask = n.masks(layer)
		s.dx = make([]F, maxBatch*l.In+kernel.Slack)
	}
	s.w.Prepare(maxBatch, want)
	if width := s.w.OutputWidth(); width != l.Out {
		s.padded = make([]F, maxBatch*width)
	}
	if width := s.w.InputWidth(); width != l.In {
		s.wide = make([]F, maxBatch*width)
	}
	return s
}

// join lets a team share the products.
func (s *linearStage[F]) join(t *kernel.Team) { s.w.Join(t) }

// plainReLU tells whether layer i is a ReLU of slope 0 right after a Linear or Conv2D, which does its forward pass.
func (n *Network) plainReLU(i int) bool {
	if !n.zeroing(i) || i < 1 || !n.joined[i] {
		return false
	}
	switch n.layers[i-1].(type) {
	case Linear, Conv2D:
		return true
	}
	return false
}

// zeroing tells whether layer i is a ReLU of slope 0.
func (n *Network) zeroing(i int) bool {
	if i < 0 || i >= len(n.layers) {
		return false
	}
	r, ok := n.layers[i].(ReLU)
	return ok && r.Slope == 0
}

// masks tells whether layer i does the gradient of the ReLU of slope 0 before it: a pool, or a Linear if that comes right
// after another one, whose output with slack is then its input.
func (n *Network) masks(i int) bool {
	if !n.zeroing(i-1) || i >= len(n.layers) || !n.joined[i] {
		return false
	}
	switch n.layers[i].(type) {
	case MaxPool2D:
		return true
	case Linear:
		_, after := n.layers[max(0, i-2)].(Linear)
		return after && n.plainReLU(i-1)
	}
	return false
}

func (s *linearStage[F]) forward(params, x []F, n int) []F {
	s.load(params)
	s.x, s.n, s.inputs = x, n, spread(s.wide, x, n, s.w.InputWidth())
	s.w.Forward(s.y[:n*s.out+kernel.Slack], s.inputs, n, s.relu)
	return s.y[:n*s.out]
}

func (s *linearStage[F]) backward(params, dy []F, want bool, sink Sink[F]) (dx []F) {
	p := &s.pass
	*p = kernel.Backward[F]{N: s.n, X: s.inputs, DY: spread(s.padded, dy, s.n, s.w.OutputWidth())}
	if want {
		dx = s.dx[:s.n*s.in]
		p.DX = s.dx[:s.n*s.in+kernel.Slack]
		if s.mask {
			p.Mask = s.x[:s.n*s.in+kernel.Slack] // it is the output of a linearStage, with slack
		}
	}
	var steps bool
	if p.SGD, steps = s.step(sink); steps {
		p.Velocity = s.velocity
	}
	s.w.Backward(p)
	if !steps {
		s.handOver(sink)
		s.reload(params)
	}
	return dx
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

// handOver gives the gradient to the sink, some rows of the weight at a time.
func (s *linearStage[F]) handOver(sink Sink[F]) {
	for p := range s.w.Panels() {
		first, rows, bias := s.w.Gradient(p, s.inputs, s.pass.DY, s.n)
		sink.Gradient(s.weight+first*s.in, rows)
		if s.biases > 0 {
			sink.Gradient(s.bias+first, bias)
		}
	}
}
