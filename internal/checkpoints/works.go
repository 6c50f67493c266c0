package checkpoints

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// works says what a model computes on the data.
func (m *meter) works(ctx context.Context, at Place, block []float32) error {
	loss, accuracy, err := m.subject.score(ctx)(block)
	if err != nil {
		return err
	}
	m.sayScore(at, &loss, &accuracy)
	if err := m.sayActivity(ctx, at, block); err != nil {
		return err
	}
	m.sayZeroInputs(at, block)
	return m.sayGradients(ctx, at, block)
}

// sayScore says loss and accuracy on the whole test set, the latter where there are classes.
func (m *meter) sayScore(at Place, loss, accuracy *float64) {
	m.sayIf("test_loss", at, loss)
	if m.subject.job.Data.Test.Classes > 0 {
		m.sayIf("test_accuracy", at, accuracy)
	}
}

// sayActivity says M15, M16 and P2.4 on the first examples of the test set.
func (m *meter) sayActivity(ctx context.Context, at Place, block []float32) error {
	units, movement := activity.NewUnits(m.net), activity.NewMovement(m.net)
	entropies := newBatchEntropies(m.net)
	if err := m.subject.show(ctx, block, watchers{units, movement, entropies}, entropies.next); err != nil {
		return err
	}
	for _, c := range units.Counts() {
		m.say("units", at.in(c.Name), float64(c.Units))
		m.say("units.dead", at.in(c.Name), float64(c.Dead))
		m.say("units.always_on", at.in(c.Name), float64(c.AlwaysOn))
	}
	for i, a := range m.net.Activations() {
		m.sayIf("entropy", at.in(a.Name), entropies.mean(i))
	}
	for i, l := range movement.Layers() {
		if i > 0 {
			m.sayIf("movement", at.in(l.Name), l.Relative)
		}
	}
	return nil
}

// watchers show activations to several.
type watchers []relu.Watcher[float32]

// Activation implements relu.Watcher.
func (w watchers) Activation(i int, y []float32, n int) {
	for _, one := range w {
		one.Activation(i, y, n)
	}
}

// batchEntropies weigh batches by their examples, so that the last one does not count for more.
type batchEntropies struct {
	net      *relu.Network
	now      *activity.Entropies
	sums     []float64
	bad      []bool
	examples int
}

func newBatchEntropies(net *relu.Network) *batchEntropies {
	n := len(net.Activations())
	return &batchEntropies{net: net, now: activity.NewEntropies(net), sums: make([]float64, n), bad: make([]bool, n)}
}

// Activation implements relu.Watcher.
func (e *batchEntropies) Activation(i int, y []float32, n int) { e.now.Activation(i, y, n) }

// next ends a batch of n examples.
func (e *batchEntropies) next(n int) {
	for i, l := range e.now.Layers() {
		if l.Entropy == nil {
			e.bad[i] = true
			continue
		}
		e.sums[i] += *l.Entropy * float64(n)
	}
	e.examples += n
	e.now = activity.NewEntropies(e.net)
}

func (e *batchEntropies) mean(i int) *float64 {
	if e.bad[i] || e.examples == 0 {
		return nil
	}
	mean := e.sums[i] / float64(e.examples)
	return &mean
}

// evaluationBatch is how many test examples are looked at together.
const evaluationBatch = 100

// show lets a watcher see a model on the first examples of the test set, and calls each after every batch with its size.
func (s *Subject) show(ctx context.Context, block []float32, w relu.Watcher[float32], each func(n int)) error {
	machine := relu.NewMachine[float32](s.job.Net, evaluationBatch)
	machine.Watch(w)
	for batch := range slices.Chunk(first(min(Probe, s.job.Data.Test.Len())), evaluationBatch) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("watching a model: %w", err)
		}
		machine.Forward(block, localsgd.Fill(machine, s.job.Data.Test, batch))
		each(len(batch))
	}
	return nil
}

// sayZeroInputs says P3.8 as far as it is a model's: how many inputs are 0 in every training example, and the norm of the first
// weight's columns there, which nothing but weight decay moves.
func (m *meter) sayZeroInputs(at Place, block []float32) {
	i := slices.IndexFunc(m.net.Layers(), func(l relu.Layer) bool { _, flatten := l.(relu.Flatten); return !flatten })
	if i < 0 {
		return
	}
	if _, linear := m.net.Layers()[i].(relu.Linear); !linear {
		return
	}
	dead := m.subject.deadInputs()
	m.say("zero_inputs", at, float64(len(dead)))
	if len(dead) > 0 {
		weight := m.layout.At(0)
		m.say("zero_inputs.norm", at.in(weight.Name), theory.ColumnNorm(block, weight, dead))
	}
}
