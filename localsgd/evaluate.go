package localsgd

import (
	"context"
	"fmt"
	"sync"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// evaluationBatch is the number of examples that are evaluated together. It is fixed, so that sums of losses have one
// order whatever the number of goroutines.
const evaluationBatch = 100

// Score is how well a model does on a set.
type Score struct {
	Loss     float64 // mean over the examples
	Accuracy float64 // fraction of 1; 0 where the set has targets and no classes
	Classes  bool    // accuracy means something
}

// Sums are a score before it is divided: what the scores of several sets add up to.
type Sums struct {
	Loss     float64 // over the examples
	Correct  int
	Examples int
}

// Add adds the sums of another set. Sums of losses have an order: that of the shards.
func (s *Sums) Add(more Sums) {
	s.Loss += more.Loss
	s.Correct += more.Correct
	s.Examples += more.Examples
}

// Score divides. classes: the examples have class labels.
func (s Sums) Score(classes bool) Score {
	n := float64(s.Examples)
	return Score{Loss: s.Loss / n, Accuracy: float64(s.Correct) / n, Classes: classes}
}

// Evaluator scores float32 models.
type Evaluator = EvaluatorIn[float32]

// EvaluatorIn scores models of numbers F on one set, on several goroutines. One caller uses it at a time.
type EvaluatorIn[F kernel.Float] struct {
	set      *shard.Set
	machines []*relu.Machine[F]
	losses   []float64 // by batch
	correct  []int
}

// NewEvaluator returns an evaluator of the network on the set that uses the given number of goroutines.
func NewEvaluator(net *relu.Network, set *shard.Set, parallel int) *Evaluator {
	return NewEvaluatorIn[float32](net, set, parallel)
}

// NewEvaluatorIn is NewEvaluator for models of numbers F.
func NewEvaluatorIn[F kernel.Float](net *relu.Network, set *shard.Set, parallel int) *EvaluatorIn[F] {
	batches := (set.Len() + evaluationBatch - 1) / evaluationBatch
	e := &EvaluatorIn[F]{set: set, losses: make([]float64, batches), correct: make([]int, batches)}
	for range min(max(parallel, 1), batches) {
		e.machines = append(e.machines, relu.NewMachine[F](net, min(evaluationBatch, set.Len())))
	}
	return e
}

// Evaluate scores the parameters. The result does not depend on the number of goroutines. It returns the context's error
// when that ends it early.
func (e *EvaluatorIn[F]) Evaluate(ctx context.Context, params []F) (Score, error) {
	sums, err := e.Sums(ctx, params)
	if err != nil {
		return Score{}, err
	}
	return sums.Score(e.set.Classes > 0), nil
}

// Sums is Evaluate without the division.
func (e *EvaluatorIn[F]) Sums(ctx context.Context, params []F) (Sums, error) {
	// All share one copy of the parameters in the kernels' order: for a large model that is what counts.
	e.machines[0].Hold(params)
	for _, m := range e.machines[1:] {
		m.Borrow(e.machines[0])
	}
	var all sync.WaitGroup
	for first := range e.machines {
		all.Go(func() { e.work(ctx, first, params) })
	}
	all.Wait()
	for _, m := range e.machines {
		m.Release(nil)
	}
	if err := ctx.Err(); err != nil {
		return Sums{}, fmt.Errorf("evaluating: %w", err)
	}
	s := Sums{Examples: e.set.Len()}
	for b := range e.losses {
		s.Loss += e.losses[b]
		s.Correct += e.correct[b]
	}
	return s, nil
}

// work scores every batch whose number is first modulo the number of machines.
func (e *EvaluatorIn[F]) work(ctx context.Context, first int, params []F) {
	m := e.machines[first]
	examples := make([]int32, 0, evaluationBatch)
	for b := first; b < len(e.losses) && ctx.Err() == nil; b += len(e.machines) {
		examples = examples[:0]
		for i := b * evaluationBatch; i < min((b+1)*evaluationBatch, e.set.Len()); i++ {
			examples = append(examples, int32(i))
		}
		e.losses[b], e.correct[b] = m.Evaluate(params, Fill(m, e.set, examples))
	}
}
