package study

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// measureBarrier says M18 over all pairs of measured local models: "barrier", its mean, and "barrier.max".
func measureBarrier(ctx context.Context, m *measurement) error {
	return m.sayBarriers(ctx, "barrier", func(_, b []float32) []float32 { return b })
}

// measureAlignment says the same after the hidden units of the second model of each pair were brought into the order of the first's:
// "barrier.aligned" and "barrier.aligned.max", and "aligned.moved", the part of the hidden units that changed their places.
func measureAlignment(ctx context.Context, m *measurement) error {
	moved, units := 0, 0
	reason := ""
	align := func(a, b []float32) []float32 {
		var aligned *averaging.Alignment
		if aligned, reason = averaging.Align(m.net(), a, b); aligned == nil {
			return nil
		}
		for _, order := range aligned.Permutations {
			for i, j := range order {
				units++
				if i != j {
					moved++
				}
			}
		}
		return aligned.Params
	}
	if err := m.sayBarriers(ctx, "barrier.aligned", align); err != nil {
		return err
	}
	if reason != "" {
		m.miss("barrier.aligned", reason)
	}
	if units > 0 {
		m.say("aligned.moved", whole, float64(moved)/float64(units))
	}
	return nil
}

// sayBarriers measures pairs of local models, the second of each as second returns it; nil: not at all.
func (m *measurement) sayBarriers(ctx context.Context, quantity string, second func(a, b []float32) []float32) error {
	e := m.evaluate()
	switch {
	case e == nil:
		m.miss(quantity, noTest)
		return nil
	case len(m.Shards) < 2:
		m.miss(quantity, "one shard is measured")
		return nil
	}
	loss, err := m.recalibratedLoss(ctx, e)
	if err != nil {
		return err
	}
	sum, largest, pairs := 0.0, 0.0, 0
	for i, a := range m.ends {
		for _, b := range m.ends[i+1:] {
			if b = second(a, b); b == nil {
				return nil
			}
			barrier, err := averaging.MeasureBarrier(a, b, loss)
			if err != nil {
				return fmt.Errorf("between local models: %w", err)
			}
			sum, largest, pairs = sum+barrier.Height, max(largest, barrier.Height), pairs+1
		}
	}
	m.say(quantity, whole, sum/float64(pairs))
	m.say(quantity+".max", whole, largest)
	return nil
}

// recalibratedLoss returns the loss of a model on the evaluated examples, whose running statistics are recomputed on the probes
// of all measured shards.
func (m *measurement) recalibratedLoss(ctx context.Context, e *evaluation) (func([]float32) (float64, error), error) {
	probe := m.probes()
	r, err := averaging.NewRecalibrator(m.net(), len(probe))
	if err != nil {
		return nil, fmt.Errorf("running statistics: %w", err)
	}
	if len(probe) < m.net().LeastBatch() {
		return nil, fmt.Errorf("%w: probes of %d examples have no running statistics", ErrInput, len(probe))
	}
	batch := localsgd.Fill(relu.NewMachine[float32](m.net(), len(probe)), m.Job.Data.Train, probe)
	return func(params []float32) (float64, error) {
		r.Recalibrate(params, batch)
		s, err := e.score(ctx, params)
		return s.Loss, err
	}, nil
}
