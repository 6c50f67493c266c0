package study

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// measureNorms says M17 for the average model and for the local models: "path_norm", and for univariate shallow networks
// "balance", "knots" and "variation", TV(f'). For these "objective", "optimum.objective", "optimum.loss" and "optimum.path_norm" say
// where the model is beside the exact optimum of its training problem on the whole training set (E7), where that is one.
func measureNorms(_ context.Context, m *measurement) error {
	_, err := norm.NewUnivariate(m.net(), m.model)
	if errors.Is(err, norm.ErrNotUnivariate) {
		m.miss("balance", err.Error())
		m.sayPaths()
		return nil
	}
	if err != nil {
		return fmt.Errorf("univariate network: %w", err)
	}
	if err := m.sayUnivariate(m.average(), m.model); err != nil {
		return err
	}
	for i, k := range m.Shards {
		if err := m.sayUnivariate(of(k), m.ends[i]); err != nil {
			return err
		}
	}
	return m.sayOptimum()
}

func (m *measurement) sayPaths() {
	p, err := norm.NewPath(m.net())
	if err != nil {
		m.miss("path_norm", err.Error())
		return
	}
	m.say("path_norm", m.average(), p.Norm(m.model))
	for i, k := range m.Shards {
		m.say("path_norm", of(k), p.Norm(m.ends[i]))
	}
}

func (m *measurement) sayUnivariate(at place, params []float32) error {
	u, err := norm.NewUnivariate(m.net(), params)
	if err != nil {
		return fmt.Errorf("univariate network: %w", err)
	}
	knots := u.Knots()
	m.say("path_norm", at, u.PathNorm())
	m.sayIf("balance", at, u.Balance(false), "no unit is large enough")
	m.say("knots", at, float64(len(knots)))
	m.say("variation", at, norm.Variation(knots))
	return nil
}

// maxPlaces bounds the distinct inputs of an optimum, whose solution takes time cubic in them.
const maxPlaces = 256

func (m *measurement) sayOptimum() error {
	lambda, reason := m.penalty()
	set := m.Job.Data.Train
	if reason == "" && set.Classes > 0 {
		reason = "the data have class labels"
	}
	if reason != "" {
		m.miss("optimum.objective", reason)
		return nil
	}
	x, y := make([]float64, set.N), make([]float64, set.N)
	var input [1]float32
	for i := range x {
		set.Features(input[:], i)
		x[i], y[i] = float64(input[0]), float64(set.Targets[i])
	}
	points, err := norm.NewPoints(x, y)
	if err != nil {
		m.miss("optimum.objective", err.Error())
		return nil
	}
	if n := len(points.Places()); n > maxPlaces {
		m.miss("optimum.objective", fmt.Sprintf("the training set has %d places, at most %d are solved", n, maxPlaces))
		return nil
	}
	return m.compareWithOptimum(points, lambda)
}

func (m *measurement) compareWithOptimum(points *norm.Points, lambda float64) error {
	u, err := norm.NewUnivariate(m.net(), m.model)
	if err != nil {
		return fmt.Errorf("univariate network: %w", err)
	}
	best, err := points.Solve(lambda, u.HasSkip)
	if err != nil {
		m.miss("optimum.objective", err.Error())
		return nil
	}
	var fitted []float64
	for _, x := range points.Places() {
		fitted = append(fitted, u.At(x))
	}
	m.say("objective", m.average(), points.Loss(fitted)+lambda*u.PathNorm())
	m.say("optimum.objective", whole, best.Objective)
	m.say("optimum.loss", whole, best.Loss)
	m.say("optimum.path_norm", whole, best.PathNorm)
	return nil
}

// penalty returns lambda of the training problem loss + lambda path norm: that of the penalty itself, or the weight decay of both
// weights (E3), if nothing else is decayed.
func (m *measurement) penalty() (lambda float64, reason string) {
	w, v, ok := m.net().OneHiddenLayer()
	l := m.Job.Local
	switch {
	case !ok || m.net().Loss() != relu.MSE:
		return 0, "the loss is not mse"
	case slopeOf(m.net().Layers()) != 0:
		return 0, "the activation is leaky"
	case l.AdamW != nil:
		return 0, "the decay of adamw is no penalty"
	}
	for i := range m.layout().Len() {
		t := m.layout().At(i)
		decays := l.SGD.WeightDecay > 0 && !matches(l.SGD.NoDecay, t.Name)
		weight := t.Offset == w.Offset || t.Offset == v.Offset
		if decays && (!weight || l.PathNorm > 0) || weight && !decays && l.PathNorm == 0 {
			return 0, fmt.Sprintf("%s is not penalised as the path norm wants it: decay the two weights alone, or use path_norm", t.Name)
		}
	}
	if l.PathNorm > 0 {
		return l.PathNorm, ""
	}
	return l.SGD.WeightDecay, ""
}

// slopeOf returns that of the activation of a network of one hidden layer.
func slopeOf(layers []relu.Layer) float64 {
	if r, is := layers[0].(relu.Residual); is {
		layers = r.Body
	}
	return layers[1].(relu.ReLU).Slope
}
