package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// convRoom bounds the rows that a convolution works on at once, in numbers, unless one example needs more.
const convRoom = 1 << 19

// convStage executes a Conv2D as a linear layer over the positions of a block of examples. How many these are depends on
// the layer alone, so that the sums of gradients have one order.
type convStage[F kernel.Float] struct {
	columns           kernel.Columns // of rows as far apart as kernels want
	dense             kernel.Columns // without anything between rows
	positions, inputs int            // of an image's output; numbers of an example
	rowIn, outs       int            // of a position: numbers under the kernel, channels
	block             int            // examples
	weight, bias      int            // offsets in the block; bias is -1 without one

	w        *kernel.Weights[F]
	x, y, dx []F // x aliases the last input
	rows     []F // of a block's positions, and then their gradient; with kernel.Slack
	results  []F // of a block's positions, one channel beside the other, and then their gradient; with kernel.Slack
	turned   []F // the latter with rows as far apart as kernels want
	scratch  []F
	dw, db   []F
}

func newConvStage[F kernel.Float](b *builder[F], l Conv2D, in []int) *convStage[F] {
	w, _ := l.window(in) // resolving has checked it
	s := &convStage[F]{
		dense: kernel.Columns{
			Channels: w.channels, Height: w.height, Width: w.width,
			Kernel: w.kernel, Stride: w.stride, Padding: w.padding,
			OutHeight: w.outHeight, OutWidth: w.outWidth, Row: w.patches,
		},
		positions: w.positions, inputs: w.inputs, rowIn: w.patches, outs: l.Out,
		block:  max(1, convRoom/(w.positions*w.patches)),
		weight: b.offset(0), bias: -1,
		w:  kernel.NewWeights[F](w.patches, l.Out, l.Bias),
		y:  b.numbers(b.shape),
		dw: make([]F, l.Out*w.patches),
	}
	if l.Bias {
		s.bias, s.db = b.offset(1), make([]F, l.Out)
	}
	if b.want {
		s.dx = b.numbers(in)
	}
	s.columns = s.dense
	s.columns.Row = s.w.InputWidth()
	most := min(s.block, b.maxBatch) * s.positions
	s.rows = make([]F, most*s.columns.Row+kernel.Slack)
	s.results = make([]F, most*s.outs+kernel.Slack)
	s.turned = s.results
	if width := s.w.OutputWidth(); width != s.outs {
		s.turned = make([]F, most*width)
	}
	s.scratch = make([]F, s.w.Scratch())
	return s
}

// example returns example i's part of a batch of rows of this size.
func example[F kernel.Float](batch []F, i, size int) []F { return batch[i*size : (i+1)*size] }

// load takes the weights.
func (s *convStage[F]) load(params []F) {
	var bias []F
	if s.bias >= 0 {
		bias = params[s.bias:][:s.outs]
	}
	s.w.Load(params[s.weight:][:s.outs*s.rowIn], bias)
}

// gather makes the rows of examples first..first+n-1.
func (s *convStage[F]) gather(first, n int) {
	for i := range n {
		kernel.Gather(&s.columns, example(s.rows, i, s.positions*s.columns.Row), example(s.x, first+i, s.inputs))
	}
}

func (s *convStage[F]) forward(params, x []F, n int) []F {
	size := s.outs * s.positions
	s.x = x
	s.load(params)
	for first := 0; first < n; first += s.block {
		m := min(s.block, n-first)
		s.gather(first, m)
		s.w.Forward(s.results[:m*size+kernel.Slack], s.rows, m*s.positions, false)
		for i := range m {
			kernel.Transpose(example(s.y, first+i, size), example(s.results, i, size), s.positions, s.outs, s.positions)
		}
	}
	return s.y[:n*size]
}

func (s *convStage[F]) backward(_, dy []F, want bool, sink Sink[F]) (dx []F) {
	size := s.outs * s.positions
	n := len(dy) / size
	clear(s.dw)
	clear(s.db)
	for first := 0; first < n; first += s.block {
		m := min(s.block, n-first)
		s.gather(first, m)
		s.turn(dy[first*size:(first+m)*size], m)
		s.addGradient(m)
		if want {
			s.inputGradient(first, m)
		}
	}
	sink.Gradient(s.weight, s.dw)
	if s.bias >= 0 {
		sink.Gradient(s.bias, s.db)
	}
	if want {
		dx = s.dx[:len(s.x)]
	}
	return dx
}

// turn makes the rows of positions of the gradient with respect to the outputs of m examples.
func (s *convStage[F]) turn(dy []F, m int) {
	size, width := s.outs*s.positions, s.w.OutputWidth()
	for i := range m {
		kernel.Transpose(s.turned[i*s.positions*width:], example(dy, i, size), s.outs, s.positions, width)
	}
}

// addGradient adds the gradient of weights and biases over a block of m examples.
func (s *convStage[F]) addGradient(m int) {
	for p := range s.w.Panels() {
		first, rows, bias := s.w.Gradient(p, s.rows, s.turned, m*s.positions, s.scratch)
		addTo(s.dw[first*s.rowIn:], rows)
		if s.bias >= 0 {
			addTo(s.db[first:], bias)
		}
	}
}

func addTo[F kernel.Float](sum, x []F) {
	sum = sum[:len(x)]
	for i, v := range x {
		sum[i] += v
	}
}

// inputGradient writes the gradient with respect to the inputs of m examples from first on, in the place of their rows.
func (s *convStage[F]) inputGradient(first, m int) {
	rows := s.rows[:m*s.positions*s.rowIn+kernel.Slack]
	s.w.InputGradient(rows, s.turned, m*s.positions, nil, s.scratch)
	for i := range m {
		kernel.Scatter(&s.dense, example(s.dx, first+i, s.inputs), example(rows, i, s.positions*s.rowIn))
	}
}

// sumOn adds x to a in order.
func sumOn[F kernel.Float](a F, x []F) F {
	for _, v := range x {
		a += v
	}
	return a
}
