package study

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// measureUnits says M15: "units", "units.dead" and "units.always_on" of each gated activation of the average and of the local models
// on the evaluated examples, and "agreement" between the local models on the probes of all measured shards.
func measureUnits(ctx context.Context, m *measurement) error {
	if !slices.ContainsFunc(m.net().Activations(), func(a relu.Activation) bool { return a.Gated }) {
		m.miss(string(Units), "the network has no ReLU")
		return nil
	}
	if err := m.sayUnits(ctx, m.average(), m.model); err != nil {
		return err
	}
	for i, k := range m.Shards {
		if err := m.sayUnits(ctx, of(k), m.ends[i]); err != nil {
			return err
		}
	}
	return m.sayAgreement(ctx)
}

func (m *measurement) sayUnits(ctx context.Context, at place, params []float32) error {
	e := m.evaluate()
	if e == nil {
		m.miss("units", noTest)
		return nil
	}
	units := activity.NewUnits(m.net())
	if err := e.passes().show(ctx, params, units, nil); err != nil {
		return err
	}
	for _, c := range units.Counts() {
		m.say("units", at.in(c.Name), float64(c.Units))
		m.say("units.dead", at.in(c.Name), float64(c.Dead))
		m.say("units.always_on", at.in(c.Name), float64(c.AlwaysOn))
	}
	return nil
}

func (m *measurement) sayAgreement(ctx context.Context) error {
	if len(m.Shards) < 2 {
		m.miss("agreement", "one shard is measured")
		return nil
	}
	union := m.probes()
	p := passes{relu.NewMachine[float32](m.net(), min(evaluationBatch, len(union))), m.Job.Data.Train, union}
	recorder := activity.NewRecorder(m.net())
	var patterns []activity.Pattern
	for _, end := range m.ends {
		if err := p.show(ctx, end, recorder, nil); err != nil {
			return err
		}
		patterns = append(patterns, recorder.Take())
	}
	all, err := activity.Agree(patterns)
	if err != nil {
		return fmt.Errorf("patterns of gates: %w", err)
	}
	for _, a := range all {
		m.say("agreement", whole.in(a.Name), a.Fraction)
	}
	return nil
}

// probes returns the examples of all measured shards' probes.
func (m *measurement) probes() (union []int32) {
	for _, k := range m.Shards {
		union = append(union, m.probe(k)...)
	}
	return union
}
