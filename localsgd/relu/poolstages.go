package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// maxPoolStage executes a MaxPool2D.
type maxPoolStage[F kernel.Float] struct {
	window
	y, dx []F
	from  []int32 // of each output, its example's input that it is
}

func newMaxPoolStage[F kernel.Float](b *builder[F], l MaxPool2D, in []int) *maxPoolStage[F] {
	w, _ := l.window(in) // resolving has checked it
	s := &maxPoolStage[F]{window: w, y: b.numbers(b.shape), from: make([]int32, b.maxBatch*product(b.shape))}
	if b.want {
		s.dx = b.numbers(in)
	}
	return s
}

// corner returns the input at the upper left of output o's window, outputs counted channel by channel.
func (w *window) corner(o int) int {
	c, p := o/w.positions, o%w.positions
	return (c*w.height+p/w.outWidth*w.stride)*w.width + p%w.outWidth*w.stride
}

func (w *window) outputs() int { return w.channels * w.positions }

func (s *maxPoolStage[F]) forward(_, x []F, n int) []F {
	outs := s.outputs()
	for i := range n {
		image, y, from := example(x, i, s.inputs), example(s.y, i, outs), s.from[i*outs:(i+1)*outs]
		for o := range y {
			at := s.largest(image, s.corner(o))
			y[o], from[o] = image[at], int32(at)
		}
	}
	return s.y[:n*outs]
}

// largest returns where the window at this corner has its first largest number; NaN is larger than all.
func (s *maxPoolStage[F]) largest(image []F, corner int) int {
	best := corner
	for dy := range s.kernel {
		row := corner + dy*s.width
		for at := row; at < row+s.kernel; at++ {
			if v := image[at]; v > image[best] || v != v {
				best = at
			}
		}
	}
	return best
}

func (s *maxPoolStage[F]) backward(_, dy []F, want bool, _ Sink[F]) []F {
	if !want {
		return nil
	}
	outs := s.outputs()
	dx := s.dx[:len(dy)/outs*s.inputs]
	clear(dx)
	for i := range len(dy) / outs {
		image := example(dx, i, s.inputs)
		from := s.from[i*outs : (i+1)*outs]
		for o, d := range example(dy, i, outs) {
			image[from[o]] += d
		}
	}
	return dx
}

// avgPoolStage executes an AvgPool2D, or a GlobalAvgPool2D, whose window is the whole image.
type avgPoolStage[F kernel.Float] struct {
	window
	tall, wide int // the window
	y, dx      []F
}

func newAvgPoolStage[F kernel.Float](b *builder[F], w window) *avgPoolStage[F] {
	s := &avgPoolStage[F]{window: w, tall: w.kernel, wide: w.kernel, y: b.numbers(b.shape)}
	if w.kernel == 0 {
		s.tall, s.wide = w.height, w.width
	}
	if b.want {
		s.dx = make([]F, b.maxBatch*w.inputs)
	}
	return s
}

func (s *avgPoolStage[F]) forward(_, x []F, n int) []F {
	outs := s.outputs()
	size := F(s.tall * s.wide)
	for i := range n {
		image, y := example(x, i, s.inputs), example(s.y, i, outs)
		for o := range y {
			var sum F
			for dy := range s.tall {
				sum = sumOn(sum, image[s.corner(o)+dy*s.width:][:s.wide])
			}
			y[o] = sum / size
		}
	}
	return s.y[:n*outs]
}

func (s *avgPoolStage[F]) backward(_, dy []F, want bool, _ Sink[F]) []F {
	if !want {
		return nil
	}
	outs := s.outputs()
	dx := s.dx[:len(dy)/outs*s.inputs]
	clear(dx)
	size := F(s.tall * s.wide)
	for i := range len(dy) / outs {
		image := example(dx, i, s.inputs)
		for o, d := range example(dy, i, outs) {
			s.spread(image[s.corner(o):], d/size)
		}
	}
	return dx
}

// spread adds d to each number of the window whose corner image begins with.
func (s *avgPoolStage[F]) spread(image []F, d F) {
	for dy := range s.tall {
		row := image[dy*s.width:][:s.wide]
		for i := range row {
			row[i] += d
		}
	}
}
