package checkpoints

import (
	"fmt"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// maxPlaces bounds the distinct inputs of an optimum, whose solution takes time cubic in them.
const maxPlaces = 256

// sayOptimum says where a shallow network of one input is beside the exact optimum of mean squared error + lambda path norm on the
// training set (P5, E7), whatever it was trained on. lambda is the spec's path_norm, else its weight decay (E3).
func (m *meter) sayOptimum(at Place, u *norm.Univariate) {
	points, lambda, reason := m.subject.problem(u)
	if reason == "" {
		best, err := points.Solve(lambda, u.HasSkip)
		if err == nil {
			m.sayBeside(at, u, points, best, lambda)
			return
		}
		reason = err.Error()
	}
	m.note("no exact optimum: " + reason)
}

func (m *meter) sayBeside(at Place, u *norm.Univariate, points *norm.Points, best *norm.Optimum, lambda float64) {
	var fitted []float64
	for _, x := range points.Places() {
		fitted = append(fitted, u.At(x))
	}
	m.say("objective", at, points.Loss(fitted)+lambda*u.PathNorm())
	m.say("optimum.objective", at, best.Objective)
	m.say("optimum.loss", at, best.Loss)
	m.say("optimum.path_norm", at, best.PathNorm)
}

// problem returns the training points and lambda, or why there is no such problem.
func (s *Subject) problem(u *norm.Univariate) (points *norm.Points, lambda float64, reason string) {
	set, local := s.job.Data.Train, s.job.Local
	lambda = local.PathNorm
	if lambda == 0 && local.AdamW == nil {
		lambda = local.SGD.WeightDecay
	}
	switch {
	case set.Classes > 0 || s.job.Net.Loss() != relu.MSE:
		return nil, 0, "the data are no regression"
	case u.Slope != 0:
		return nil, 0, "the activation is leaky"
	case lambda == 0:
		return nil, 0, "it needs lambda of the path norm: --set regularize.path_norm=0.01"
	}
	x, y := make([]float64, set.N), make([]float64, set.N)
	var input [1]float32
	for i := range x {
		set.Features(input[:], i)
		x[i], y[i] = float64(input[0]), float64(set.Targets[i])
	}
	points, err := norm.NewPoints(x, y)
	if err != nil {
		return nil, 0, err.Error()
	}
	if n := len(points.Places()); n > maxPlaces {
		return nil, 0, fmt.Sprintf("the training set has %d places, at most %d are solved", n, maxPlaces)
	}
	return points, lambda, ""
}
