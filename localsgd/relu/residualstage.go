package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// residualStage executes a Residual. Body and shortcut read one input, so neither may begin in place.
type residualStage[F kernel.Float] struct {
	body, shortcut *sequence[F]
	y, dy          []F
}

func (b *builder[F]) residual(l Residual) *residualStage[F] {
	in, want, last := b.shape, b.want, b.last
	s := new(residualStage[F])
	b.own = false
	s.body = b.sequence(l.Body)
	end := b.last
	b.shape, b.own, b.want, b.last = in, false, want, last
	s.shortcut = b.sequence(l.Shortcut)
	b.want = true // the gradients of both ends
	b.turn(s.shortcut, b.last || end)
	end, b.last = b.last, end
	b.turn(s.body, end)
	b.own, b.want = true, want
	s.y, s.dy = b.numbers(b.shape), b.numbers(b.shape)
	return s
}

func (s *residualStage[F]) forward(params, x []F, n int) []F {
	a := s.body.forward(params, x, n)
	b := s.shortcut.forward(params, x, n)
	y := s.y[:len(a)]
	for i, v := range a {
		y[i] = v + b[i]
	}
	return y
}

func (s *residualStage[F]) backward(params, dy []F, want bool, sink Sink[F]) []F {
	beside := s.dy[:len(dy)]
	copy(beside, dy)
	dx := s.body.backward(params, dy, want, sink)
	other := s.shortcut.backward(params, beside, want, sink)
	if !want {
		return nil
	}
	for i, v := range other {
		dx[i] += v
	}
	return dx
}

func (s *residualStage[F]) join(t *kernel.Team) {
	s.body.join(t)
	s.shortcut.join(t)
}

func (s *residualStage[F]) hold(params []F) {
	s.body.hold(params)
	s.shortcut.hold(params)
}

func (s *residualStage[F]) borrow(from stage[F]) {
	o := from.(*residualStage[F])
	s.body.borrow(o.body)
	s.shortcut.borrow(o.shortcut)
}

func (s *residualStage[F]) write(params []F) {
	s.body.write(params)
	s.shortcut.write(params)
}

func (s *residualStage[F]) release(params []F) {
	s.body.release(params)
	s.shortcut.release(params)
}
