package study

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// observer looks at the tasks while they are repeated, one shard after the other.
type observer interface {
	// task begins the task of the i-th measured shard.
	task(i int)
	// step sees the parameters before and after a step. last: the task has no other.
	step(step int, last bool, before, after []float32) error
}

// watcher is an observer that also looks at activations in training.
type watcher interface {
	activations() relu.Watcher[float32]
}

// train repeats the tasks.
func (m *measurement) train(ctx context.Context) error {
	trainer, grid := localsgd.NewTrainer(m.Job), localsgd.NewGrid(m.layout(), m.start)
	for i, k := range m.Shards {
		var look stepper
		if len(m.seen) > 0 {
			look = stepper{m: m, before: slices.Clone(m.start), steps: m.Job.Steps(m.task(i))}
			trainer.Watch(look.step)
		}
		m.begin(i, trainer)
		end := make([]float32, len(m.start))
		if _, err := trainer.Train(ctx, m.task(i), grid, localsgd.Blocks{Start: m.start, End: end}); err != nil {
			return fmt.Errorf("repeating the task of shard %d: %w", k, err)
		}
		if look.err != nil {
			return look.err
		}
		m.ends = append(m.ends, end)
	}
	return nil
}

// begin tells the observers of a task.
func (m *measurement) begin(i int, trainer *localsgd.Trainer) {
	for _, s := range studies {
		o, ok := m.seen[s.name]
		if !ok {
			continue
		}
		o.task(i)
		if w, is := o.(watcher); is {
			trainer.WatchActivations(w.activations(), &activity.Narrow{To: w.activations()})
		}
	}
}

// stepper shows a trainer's steps to the observers.
type stepper struct {
	m      *measurement
	before []float32
	steps  int
	err    error
}

func (s *stepper) step(step int, params []float32) {
	for _, study := range studies {
		o, ok := s.m.seen[study.name]
		if !ok || s.err != nil {
			continue
		}
		if err := o.step(step, step == s.steps, s.before, params); err != nil {
			s.err = fmt.Errorf("%s at step %d: %w", study.name, step, err)
		}
	}
	copy(s.before, params)
}
