package study

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// measureNullModel says by linear layer what ranks would be under random gradients of the round's K, H, B and decay: "null.rank" and
// "null.effective_rank" of the average, "null.local_rank" and "null.local_effective_rank" of a local model, each with its
// ".deviation"; and how many deviations above these the measured ranks lie, "null.rank.z" and "null.effective_rank.z" of the average and
// of each local model.
func measureNullModel(ctx context.Context, m *measurement) error {
	if reason := m.lawless(); reason != "" {
		m.miss(string(NullModel), reason)
		return nil
	}
	for _, v := range m.weightViews() {
		if len(v.Shape) != 2 || m.tooLarge(v) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		null := theory.Null{Rows: v.Shape[0], Cols: v.Shape[1], Dynamics: m.dynamics(), Eps: m.Epsilon, Draws: m.Draws, Seed: m.Job.Seed}
		null.Rho = m.rho(v)
		ranks, reason, err := null.Measure(ctx, &m.workspace)
		if err != nil {
			return fmt.Errorf("layer %s: %w", v.Name, err)
		}
		if ranks == nil {
			m.miss(string(NullModel), v.Name+": "+reason)
			continue
		}
		if err := m.sayNull(v, ranks); err != nil {
			return err
		}
	}
	return nil
}

// rho returns the decay of a weight in one step.
func (m *measurement) rho(v tensor.View) float64 {
	sgd := m.Job.Local.SGD
	if matches(sgd.NoDecay, v.Name) || matches(m.Job.Local.Freeze, v.Name) {
		return 1
	}
	return 1 - m.Job.Local.RateIn(m.Plan.Round)*sgd.WeightDecay
}

func (m *measurement) sayNull(v tensor.View, null *theory.Ranks) error {
	for _, one := range []struct {
		quantity string
		theory.Expectation
	}{
		{"null.rank", null.Average}, {"null.effective_rank", null.AverageEffective},
		{"null.local_rank", null.Local}, {"null.local_effective_rank", null.LocalEffective},
	} {
		m.say(one.quantity, whole.in(v.Name), one.Mean)
		m.say(one.quantity+".deviation", whole.in(v.Name), one.Deviation)
	}
	if err := m.sayScores(m.average().in(v.Name), v, m.model, null.Average, null.AverageEffective); err != nil {
		return err
	}
	for i, k := range m.Shards {
		if err := m.sayScores(of(k).in(v.Name), v, m.ends[i], null.Local, null.LocalEffective); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) sayScores(at place, v tensor.View, params []float32, rank, effective theory.Expectation) error {
	rows, cols, _ := v.Matrix()
	s, err := m.workspace.Values(tensor.Of(params, v), rows, cols)
	if err != nil {
		return fmt.Errorf("singular values of %s: %w", v.Name, err)
	}
	const same = "all draws of the null model are equal"
	m.sayIf("null.rank.z", at, rank.Z(float64(analysis.EpsRank(s, m.Epsilon))), same)
	m.sayIf("null.effective_rank.z", at, effective.Z(analysis.EffectiveRank(s)), same)
	return nil
}
