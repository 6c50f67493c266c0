package study

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// noTest is why what needs test data is missing.
const noTest = "this process has no test data"

// evaluationBatch is how many test examples are looked at together.
const evaluationBatch = 100

// evaluation is the first examples of the test set.
type evaluation struct {
	set       *shard.Set
	evaluator *localsgd.Evaluator
	machine   *relu.Machine[float32]
}

// evaluate returns the examples that models are evaluated on, nil if this process has none.
func (m *measurement) evaluate() *evaluation {
	set := m.Job.Data.Test
	if set == nil || !set.HasFeatures() || set.Labels == nil && set.Targets == nil {
		return nil
	}
	if m.test == nil {
		first := head(set, m.Evaluated)
		m.test = &evaluation{
			set:       first,
			evaluator: localsgd.NewEvaluator(m.net(), first, 1),
			machine:   relu.NewMachine[float32](m.net(), min(evaluationBatch, first.N)),
		}
	}
	return m.test
}

// head returns the first examples of a set, sharing its memory.
func head(set *shard.Set, n int) *shard.Set {
	first := *set
	first.N = min(n, set.N)
	first.Labels, first.Groups = cut(set.Labels, first.N), nil
	first.Targets = cut(set.Targets, first.N*set.Outputs)
	first.Bytes, first.Values = cut(set.Bytes, first.N*set.Size()), cut(set.Values, first.N*set.Size())
	first.Given = nil
	return &first
}

func cut[T any](values []T, n int) []T {
	if values == nil {
		return nil
	}
	return values[:n:n]
}

// score returns loss and accuracy of a model.
func (e *evaluation) score(ctx context.Context, params []float32) (localsgd.Score, error) {
	s, err := e.evaluator.Evaluate(ctx, params)
	if err != nil {
		return s, fmt.Errorf("evaluating a model: %w", err)
	}
	return s, nil
}

// passes are forward passes over examples of a set, batch by batch.
type passes struct {
	machine  *relu.Machine[float32] // for evaluationBatch examples, or all of them
	set      *shard.Set
	examples []int32
}

// passes returns those over all examples.
func (e *evaluation) passes() passes {
	all := make([]int32, e.set.N)
	for i := range all {
		all[i] = int32(i)
	}
	return passes{e.machine, e.set, all}
}

// show lets w watch the passes of a model, and calls each, if not nil, after every batch with its size.
func (p passes) show(ctx context.Context, params []float32, w relu.Watcher[float32], each func(n int)) error {
	p.machine.Hold(params)
	p.machine.Watch(w)
	defer p.machine.Release(nil)
	defer p.machine.Watch(nil)
	for batch := range slices.Chunk(p.examples, evaluationBatch) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("watching a model: %w", err)
		}
		p.machine.Forward(params, localsgd.Fill(p.machine, p.set, batch))
		if each != nil {
			each(len(batch))
		}
	}
	return nil
}
