package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// convStage executes a Conv2D example by example through the matrix of columns of one example, whatever the batch.
type convStage[F kernel.Float] struct {
	columns                       kernel.Columns
	rows, positions, inputs, outs int
	weight, bias                  int // offsets in the block; bias is -1 without one
	x, y, dx                      []F // x aliases the last input
	col                           []F
	dw, db                        []F
}

func newConvStage[F kernel.Float](b *builder[F], l Conv2D, in []int) *convStage[F] {
	w, _ := l.window(in) // resolving has checked it
	s := &convStage[F]{
		columns: kernel.Columns{
			Channels: w.channels, Height: w.height, Width: w.width,
			Kernel: w.kernel, Stride: w.stride, Padding: w.padding,
			OutHeight: w.outHeight, OutWidth: w.outWidth,
		},
		rows: w.patches, positions: w.positions, inputs: w.inputs, outs: l.Out,
		weight: b.offset(0), bias: -1,
		y:   b.numbers(b.shape),
		col: make([]F, w.patches*w.positions),
		dw:  make([]F, l.Out*w.patches),
	}
	if l.Bias {
		s.bias, s.db = b.offset(1), make([]F, l.Out)
	}
	if b.want {
		s.dx = b.numbers(in)
	}
	return s
}

func (s *convStage[F]) weights(params []F) []F { return params[s.weight:][:s.outs*s.rows] }

// example returns example i's part of a batch of rows of this size.
func example[F kernel.Float](batch []F, i, size int) []F { return batch[i*size : (i+1)*size] }

func (s *convStage[F]) forward(params, x []F, n int) []F {
	size := s.outs * s.positions
	s.x = x
	y := s.y[:n*size]
	for i := range n {
		kernel.Gather(&s.columns, s.col, example(x, i, s.inputs))
		kernel.MulColumns(example(y, i, size), s.weights(params), s.col, s.rows, s.positions)
		if s.bias >= 0 {
			s.addBias(example(y, i, size), params[s.bias:][:s.outs])
		}
	}
	return y
}

// addBias adds each channel's bias to its image in y.
func (s *convStage[F]) addBias(y, bias []F) {
	for _, b := range bias {
		image := y[:s.positions]
		for p := range image {
			image[p] += b
		}
		y = y[s.positions:]
	}
}

func (s *convStage[F]) backward(params, dy []F, want bool, sink Sink[F]) (dx []F) {
	size := s.outs * s.positions
	clear(s.dw)
	clear(s.db)
	for i := range len(dy) / size {
		d := example(dy, i, size)
		kernel.Gather(&s.columns, s.col, example(s.x, i, s.inputs))
		kernel.AddProducts(s.dw, d, s.col, s.rows, s.positions)
		for o := range s.db {
			s.db[o] = sumOn(s.db[o], d[o*s.positions:(o+1)*s.positions])
		}
		if want {
			kernel.MulTransposed(s.col, s.weights(params), d, s.rows, s.positions)
			kernel.Scatter(&s.columns, example(s.dx, i, s.inputs), s.col)
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

// sumOn adds x to a in order.
func sumOn[F kernel.Float](a F, x []F) F {
	for _, v := range x {
		a += v
	}
	return a
}
