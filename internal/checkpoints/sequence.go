package checkpoints

import (
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/noise"
)

// sequence says how models move from file to file: each counts as a round after the one before it.
func (m *meter) sequence() {
	for i, b := range m.models[1:] {
		a := m.models[i]
		m.sayMovement(Place{Model: a.Name, Other: b.Name}, a.Block, b.Block)
		if i > 0 {
			m.sayIf("update.turn", Place{Model: a.Name}, m.turn(m.models[i-1].Block, a.Block, b.Block))
		}
	}
}

// sayMovement says round_rel and dist (M14).
func (m *meter) sayMovement(at Place, before, after []float32) {
	changes := noise.Changes(m.layout, before, after)
	for _, c := range changes {
		m.sayIf("round_rel", at.in(c.Name), c.Relative)
	}
	m.sayIf("round_rel", at, noise.Whole(m.layout, before, after))
	m.sayIf("dist", at, noise.Dist(changes))
}

// turn returns the cosine of b - a and c - b, nil where one of them is 0: 1 is straight on, -1 back.
func (m *meter) turn(a, b, c []float32) *float64 {
	u, err := analysis.CompareUpdate(0, m.layout, b, a, c)
	if err != nil || u.Norm == 0 || u.Mean == 0 {
		return nil
	}
	cosine := max(-1, min(1, -u.Dot/(u.Norm*u.Mean)))
	return &cosine
}

// fromStart says what each model's update from the start is beside the mean update, and how far the models have moved.
func (m *meter) fromStart(mean []float32) error {
	start := m.opts.Start.Block
	var updates []analysis.Update
	for i, model := range m.models {
		u, err := analysis.CompareUpdate(i, m.layout, start, model.Block, mean)
		if err != nil {
			return fmt.Errorf("update of %s: %w", model.Name, err)
		}
		u.Weight = 1
		updates = append(updates, u)
		m.sayMovement(Place{Model: model.Name}, start, model.Block)
	}
	all, err := analysis.CombineUpdates(updates)
	if err != nil {
		return err
	}
	for i, model := range m.models {
		m.say("update.norm", Place{Model: model.Name}, updates[i].Norm)
		m.sayIf("update.cosine", Place{Model: model.Name}, all.Cosines[i])
	}
	if len(m.models) == 1 {
		return nil
	}
	m.sayMovement(ofAverage, start, mean)
	m.say("update.norm", ofAverage, updates[0].Mean)
	m.sayIf("update.cosine", ofAverage, all.Cosine)
	m.sayIf("update.diversity", ofAverage, all.Diversity)
	m.sayIf("update.norm_ratio", ofAverage, all.NormRatio)
	return nil
}
