package study

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis/norm"
)

// measureNorms says M17 for the model that the round made and for the local models: "path_norm", and for univariate shallow networks
// "balance", "knots" and "variation", TV(f').
func measureNorms(_ context.Context, m *measurement) error {
	if err := m.sayNorms(whole, m.next); err != nil {
		return err
	}
	for i, k := range m.Shards {
		if err := m.sayNorms(of(k), m.ends[i]); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) sayNorms(at place, params []float32) error {
	u, err := norm.NewUnivariate(m.net(), params)
	if err == nil {
		knots := u.Knots()
		m.say("path_norm", at, u.PathNorm())
		m.sayIf("balance", at, u.Balance(false), "no unit is large enough")
		m.say("knots", at, float64(len(knots)))
		m.say("variation", at, norm.Variation(knots))
		return nil
	}
	if !errors.Is(err, norm.ErrNotUnivariate) {
		return fmt.Errorf("univariate network: %w", err)
	}
	m.miss("balance", err.Error())
	p, err := norm.NewPath(m.net())
	if err != nil {
		m.miss("path_norm", err.Error())
		return nil
	}
	m.say("path_norm", at, p.Norm(params))
	return nil
}
