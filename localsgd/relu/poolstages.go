package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// maxPoolStage executes a MaxPool2D on images that are channels last.
type maxPoolStage[F kernel.Float] struct {
	window
	kernel  kernel.Window
	mask    bool // the layer before is a ReLU of slope 0: its gradient is done here
	y, dx   []F
	outputs int
	places  []int32 // of each output, where in its window it was
}

func newMaxPoolStage[F kernel.Float](b *builder[F], l MaxPool2D, in []int) *maxPoolStage[F] {
	w, _ := l.window(in) // resolving has checked it
	s := &maxPoolStage[F]{
		window: w, kernel: w.kernelWindow(), mask: b.net.masks(b.leaf),
		y: b.numbers(b.shape), outputs: product(b.shape), places: make([]int32, b.maxBatch*product(b.shape)),
	}
	if b.want {
		s.dx = b.numbers(in)
	}
	return s
}

func (s *maxPoolStage[F]) forward(_, x []F, n int) []F {
	for i := range n {
		kernel.MaxPool(&s.kernel, example(s.y, i, s.outputs), example(x, i, s.inputs), s.places[i*s.outputs:])
	}
	return s.y[:n*s.outputs]
}

func (s *maxPoolStage[F]) backward(_, dy []F, want bool, _ Sink[F]) []F {
	if !want {
		return nil
	}
	n := len(dy) / s.outputs
	for i := range n {
		var y []F
		if s.mask {
			y = example(s.y, i, s.outputs)
		}
		kernel.MaxPoolGradient(&s.kernel, example(s.dx, i, s.inputs), example(dy, i, s.outputs), y, s.places[i*s.outputs:])
	}
	return s.dx[:n*s.inputs]
}

// avgPoolStage executes an AvgPool2D, or a GlobalAvgPool2D, whose window is the whole image, on images that are channels
// last.
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

// corner returns the pixel at the upper left of the window of output p.
func (w *window) corner(p int) int {
	return p/w.outWidth*w.stride*w.width + p%w.outWidth*w.stride
}

func (s *avgPoolStage[F]) forward(_, x []F, n int) []F {
	size := F(s.tall * s.wide)
	for o := range n * s.positions {
		y, image := example(s.y, o, s.channels), example(x, o/s.positions, s.inputs)
		clear(y)
		s.window.each(o%s.positions, s.tall, s.wide, func(pixel int) {
			for c, v := range example(image, pixel, s.channels) {
				y[c] += v
			}
		})
		for c, v := range y {
			y[c] = v / size
		}
	}
	return s.y[:n*s.positions*s.channels]
}

// each calls do for the pixels of the window of output p, row by row.
func (w *window) each(p, tall, wide int, do func(pixel int)) {
	for y := range tall {
		for x := range wide {
			do(w.corner(p) + y*w.width + x)
		}
	}
}

func (s *avgPoolStage[F]) backward(_, dy []F, want bool, _ Sink[F]) []F {
	if !want {
		return nil
	}
	outputs := len(dy) / s.channels
	dx := s.dx[:outputs/s.positions*s.inputs]
	clear(dx)
	size := F(s.tall * s.wide)
	for o := range outputs {
		d, image := example(dy, o, s.channels), example(dx, o/s.positions, s.inputs)
		for c, v := range d {
			d[c] = v / size
		}
		s.window.each(o%s.positions, s.tall, s.wide, func(pixel int) {
			to := example(image, pixel, s.channels)
			for c, v := range d {
				to[c] += v
			}
		})
	}
	return dx
}
