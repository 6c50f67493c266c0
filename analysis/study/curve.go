package study

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/localsgd"
)

// meter is what averages are measured with.
func (m *measurement) meter(ctx context.Context) *averaging.Meter {
	meter := &averaging.Meter{Layout: m.layout(), Ranks: m.ranks(), Workspace: &m.workspace}
	if e := m.evaluate(); e != nil {
		meter.Score = func(params []float32) (loss, accuracy float64, err error) {
			s, err := e.score(ctx, params)
			return s.Loss, s.Accuracy, err
		}
	}
	return meter
}

// sayMeasured says what a meter has measured of one model.
func (m *measurement) sayMeasured(prefix string, at place, one averaging.Measured) {
	m.sayLayers(prefix, at, one.Layers)
	if one.Loss == nil {
		m.miss(prefix+"loss", noTest)
		return
	}
	m.say(prefix+"loss", at, *one.Loss)
	if m.Job.Data.Test.Classes > 0 {
		m.say(prefix+"accuracy", at, *one.Accuracy)
	}
}

// measureCurve says the averaging curve (7b): ranks, loss and accuracy of the mean of the first k measured local models,
// "curve.rank" and so on, with k for the step.
func measureCurve(ctx context.Context, m *measurement) error {
	points, err := averaging.Curve(ctx, m.meter(ctx), m.weights, m.ends)
	if err != nil {
		return fmt.Errorf("averaging: %w", err)
	}
	for k, point := range points {
		m.sayMeasured("curve.", whole.at(k+1), point)
	}
	return nil
}

// measureSawtooth says at every local step h what the local models of the measured shards and their virtual average are (7b): ranks,
// "loss", "accuracy", and of all of them "divergence", "divergence_rel" and by weight "cancellation", with h for the step. A task
// that has fewer steps stays where it ended.
func measureSawtooth(ctx context.Context, m *measurement) error {
	locals := make([][]float32, len(m.Shards))
	longest := 0
	var next []func() ([]float32, error, bool)
	for i := range m.Shards {
		locals[i] = slices.Clone(m.start)
		longest = max(longest, m.Job.Steps(m.task(i)))
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
		if h%m.Every != 0 && h < longest {
			continue
		}
		if err := m.sayMoment(ctx, meter, h, locals); err != nil {
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

func (m *measurement) sayMoment(ctx context.Context, meter *averaging.Meter, h int, locals [][]float32) error {
	moment, err := averaging.At(ctx, meter, m.weights, locals)
	if err != nil {
		return fmt.Errorf("step %d: %w", h, err)
	}
	m.sayMeasured("", whole.at(h), moment.Average)
	for i, k := range m.Shards {
		m.sayMeasured("", of(k).at(h), moment.Locals[i])
	}
	m.say("divergence", whole.at(h), moment.Divergence)
	m.sayIf("divergence_rel", whole.at(h), moment.DivergenceRel, "the average is 0")
	for i, l := range moment.Average.Layers {
		m.sayIf("cancellation", whole.at(h).in(l.Name), moment.Cancellation[i], "its norms were not measured")
	}
	return nil
}
