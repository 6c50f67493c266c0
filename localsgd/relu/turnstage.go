package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// Images are channels last between the stages that work on them, and in PyTorch's order, channel by channel, everywhere
// else: at the machine's ends and for all layers that see no images. A turnStage stands wherever the order changes.

// turnStage changes the order of the numbers of images, each of which is a matrix in either order.
type turnStage[F kernel.Float] struct {
	rows, columns int // of the inputs
	y, dx         []F // dx is nil where no gradient is needed
}

func (s *turnStage[F]) forward(_, x []F, n int) []F {
	size := s.rows * s.columns
	for i := range n {
		kernel.Transpose(example(s.y, i, size), example(x, i, size), s.rows, s.columns)
	}
	return s.y[:n*size]
}

func (s *turnStage[F]) backward(_, dy []F, want bool, _ Sink[F]) []F {
	if !want {
		return nil
	}
	size := s.rows * s.columns
	n := len(dy) / size
	for i := range n {
		kernel.Transpose(example(s.dx, i, size), example(dy, i, size), s.columns, s.rows)
	}
	return s.dx[:n*size]
}

// turn puts what the next layer gets into the order wanted.
func (b *builder[F]) turn(s *sequence[F], last bool) {
	channels := b.shape[0]
	pixels := product(b.shape) / channels
	if b.last == last {
		return
	}
	b.last = last
	if channels == 1 || pixels == 1 {
		return // both orders are the same
	}
	t := &turnStage[F]{rows: channels, columns: pixels, y: b.numbers(b.shape)}
	if !last {
		t.rows, t.columns = pixels, channels
	}
	if b.want {
		t.dx = b.numbers(b.shape)
	}
	s.stages = append(s.stages, t)
	b.own = true
}

// arrange puts what layer l gets into the order that it works on.
func (b *builder[F]) arrange(s *sequence[F], l Layer) {
	switch l.(type) {
	case ReLU, Scale, Softplus, Residual: // any, or as those inside want it
	case Conv2D, MaxPool2D, AvgPool2D, GlobalAvgPool2D, BatchNorm:
		b.turn(s, true)
	default:
		b.turn(s, false)
	}
}
