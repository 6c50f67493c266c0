package localsgd

import (
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// correctSink adds to the gradient, on its way to the optimizer, FedProx's pull to the start and SCAFFOLD's correction. It
// also keeps linear layers from taking the step themselves, with velocities that nobody else sees.
type correctSink[F kernel.Float] struct {
	next relu.Sink[F]
	mu   F // of FedProx, 0 is none

	params, origin []F // as they are, and as they were at the start
	controls       []F // c - c_i, nil is none
}

// Gradient takes a piece.
func (s *correctSink[F]) Gradient(offset int, g []F) {
	if s.mu != 0 {
		w, origin := s.params[offset:][:len(g)], s.origin[offset:][:len(g)]
		for i := range g {
			g[i] += F(s.mu * (w[i] - origin[i]))
		}
	}
	if s.controls != nil {
		for i, c := range s.controls[offset:][:len(g)] {
			g[i] += c
		}
	}
	s.next.Gradient(offset, g)
}
