package localsgd

import (
	"errors"
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// pathNormSink adds the gradient of a multiple of the path norm of a network of one hidden layer (PAPERS.md P5, M17): the sum
// over hidden units k of a_k b_k, where a_k is the sum of |w| over the weights into k and b_k that of |v| over the weights
// out of it. It is taken where the step begins; where a weight is 0 its subgradient 0 is.
type pathNormSink[F kernel.Float] struct {
	next   relu.Sink[F]
	factor float64
	w, v   tensor.View // [units, inputs] and [outputs, units]
	params []F
	a, b   []float64 // of each unit, where the step began
}

func newPathNormSink[F kernel.Float](net *relu.Network, factor float64, next relu.Sink[F]) *pathNormSink[F] {
	w, v, _ := net.OneHiddenLayer() // Job.Check has looked
	units := w.Shape[0]
	return &pathNormSink[F]{next: next, factor: factor, w: w, v: v, a: make([]float64, units), b: make([]float64, units)}
}

// begin begins a step.
func (s *pathNormSink[F]) begin() {
	units, inputs := s.w.Shape[0], s.w.Shape[1]
	clear(s.a)
	clear(s.b)
	for i, x := range tensor.Of(s.params, s.w) {
		s.a[i/inputs] += math.Abs(float64(x))
	}
	for i, x := range tensor.Of(s.params, s.v) {
		s.b[i%units] += math.Abs(float64(x))
	}
}

// Gradient takes a piece, which lies within one tensor. The parameters of the piece are still those where the step began.
func (s *pathNormSink[F]) Gradient(offset int, g []F) {
	units, inputs := s.w.Shape[0], s.w.Shape[1]
	switch {
	case within(offset, s.w):
		for j := range g {
			s.add(&g[j], offset+j, s.b[(offset+j-s.w.Offset)/inputs])
		}
	case within(offset, s.v):
		for j := range g {
			s.add(&g[j], offset+j, s.a[(offset+j-s.v.Offset)%units])
		}
	}
	s.next.Gradient(offset, g)
}

// add adds the gradient of a weight whose unit's other side is of this size.
func (s *pathNormSink[F]) add(g *F, at int, other float64) {
	switch x := s.params[at]; {
	case x > 0:
		*g = F(float64(*g) + float64(s.factor*other))
	case x < 0:
		*g = F(float64(*g) - float64(s.factor*other))
	}
}

func within(offset int, v tensor.View) bool { return offset >= v.Offset && offset < v.Offset+v.Size }

// checkPathNorm makes sure that there is a path norm where one is asked for.
func (j *Job) checkPathNorm() error {
	if _, _, ok := j.Net.OneHiddenLayer(); j.Local.PathNorm != 0 && !ok {
		return errors.New("a path norm needs a network of one hidden layer without a norm")
	}
	return nil
}
