package study

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/localsgd"
)

// measureSawtooth says at local steps h what the local models of the measured shards and their virtual average are (7b): ranks,
// "loss", "accuracy", and of all of them "divergence", "divergence_rel" and by weight "cancellation", with h for the step. A task
// that has fewer steps stays where it ended. "sawtooth.every" says which steps: its multiples, and the last.
func measureSawtooth(ctx context.Context, m *measurement) error {
	longest := 0
	for i := range m.Shards {
		longest = max(longest, m.Job.Steps(m.task(i)))
	}
	t := m.thin(longest)
	if t.every == 0 {
		m.miss(string(Sawtooth), t.reason)
		return nil
	}
	if !t.locals {
		m.miss("sawtooth.locals", t.reason)
	}
	m.say("sawtooth.every", whole, float64(t.every))
	return m.walk(ctx, longest, t)
}

// walk repeats all tasks together, step by step, and says the moments that are looked at.
func (m *measurement) walk(ctx context.Context, longest int, t thinned) error {
	locals := make([][]float32, len(m.Shards))
	var next []func() ([]float32, error, bool)
	for i := range m.Shards {
		locals[i] = slices.Clone(m.start)
		pull, stop := iter.Pull2(m.steps(ctx, i))
		defer stop()
		next = append(next, pull)
	}
	meter := m.meter(ctx)
	for h := 1; h <= longest; h++ {
		for i, pull := range next {
			params, err, more := pull()
			if err != nil {
				return err
			}
			if more {
				copy(locals[i], params)
			}
		}
		if h%t.every != 0 && h < longest {
			continue
		}
		if err := m.sayMoment(ctx, meter, h, locals, t.locals); err != nil {
			return err
		}
	}
	return nil
}

// steps repeats the task of the i-th measured shard, step by step.
func (m *measurement) steps(ctx context.Context, i int) iter.Seq2[[]float32, error] {
	return func(yield func([]float32, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		trainer, over := localsgd.NewTrainer(m.Job), false
		trainer.Watch(func(_ int, params []float32) {
			if !over && !yield(params, nil) {
				over = true
				stop()
			}
		})
		end := make([]float32, len(m.start))
		_, err := trainer.Train(ctx, m.task(i), localsgd.NewGrid(m.layout(), m.start), localsgd.Blocks{Start: m.start, End: end})
		if err != nil && !over {
			yield(nil, fmt.Errorf("repeating the task of shard %d: %w", m.Shards[i], err))
		}
	}
}

// sayMoment says what is at one step; each: also of every local model.
func (m *measurement) sayMoment(ctx context.Context, meter *averaging.Meter, h int, locals [][]float32, each bool) error {
	moment, err := averaging.At(ctx, meter, m.weights, locals)
	if err != nil {
		return fmt.Errorf("step %d: %w", h, err)
	}
	mean := whole.at(h).against(m.meanOf(len(m.Shards)))
	m.sayMeasured("", mean, moment.Average)
	if each {
		for i, k := range m.Shards {
			m.sayMeasured("", of(k).at(h), moment.Locals[i])
		}
	}
	m.say("divergence", mean, moment.Divergence)
	m.sayIf("divergence_rel", mean, moment.DivergenceRel, "the average is 0")
	for i, l := range moment.Average.Layers {
		m.sayIf("cancellation", mean.in(l.Name), moment.Cancellation[i], "its norms were not measured")
	}
	return nil
}
