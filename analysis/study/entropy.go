package study

import (
	"context"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// taskEntropies collect the entropies of the batches that each task trains on.
type taskEntropies struct {
	net   *relu.Network
	tasks []*activity.Entropies
}

func observeEntropies(m *measurement) observer { return &taskEntropies{net: m.net()} }

func (e *taskEntropies) task(int) { e.tasks = append(e.tasks, activity.NewEntropies(e.net)) }

func (e *taskEntropies) step(int, bool, []float32, []float32) error { return nil }

func (e *taskEntropies) activations() relu.Watcher[float32] { return e.tasks[len(e.tasks)-1] }

// measureEntropy says M16: "entropy.training" of each activation over the batches as each shard trains on them, and its mean, and "entropy" of
// the average over the evaluated examples.
func measureEntropy(ctx context.Context, m *measurement) error {
	if len(m.net().Activations()) == 0 {
		m.miss(string(Entropy), "the network has no activation")
		return nil
	}
	seen := m.seen[Entropy].(*taskEntropies)
	byLayer := make([][]*float64, len(m.net().Activations()))
	for i, k := range m.Shards {
		for j, l := range seen.tasks[i].Layers() {
			m.sayIf("entropy.training", of(k).in(l.Name), l.Entropy, l.Reason)
			byLayer[j] = append(byLayer[j], l.Entropy)
		}
	}
	for j, a := range m.net().Activations() {
		m.sayMean("entropy.training", whole.in(a.Name), byLayer[j])
	}
	e := m.evaluate()
	if e == nil {
		m.miss("entropy", noTest)
		return nil
	}
	return m.sayEntropy(ctx, e)
}

// sayEntropy weighs batches by their examples, so that the last one does not count for more.
func (m *measurement) sayEntropy(ctx context.Context, e *evaluation) error {
	activations := m.net().Activations()
	sums, reasons := make([]float64, len(activations)), make([]string, len(activations))
	batch := &entropyOfBatch{net: m.net()}
	err := e.passes().show(ctx, m.model, batch, func(n int) {
		for i, l := range batch.take() {
			if l.Entropy == nil {
				reasons[i] = l.Reason
				continue
			}
			sums[i] += *l.Entropy * float64(n)
		}
	})
	if err != nil {
		return err
	}
	for i, a := range activations {
		mean := sums[i] / float64(e.set.N)
		if reasons[i] != "" {
			m.sayIf("entropy", m.average().in(a.Name), nil, reasons[i])
			continue
		}
		m.say("entropy", m.average().in(a.Name), mean)
	}
	return nil
}

// entropyOfBatch is a watcher that begins anew with every batch.
type entropyOfBatch struct {
	net *relu.Network
	now *activity.Entropies
}

// Activation implements relu.Watcher.
func (e *entropyOfBatch) Activation(i int, y []float32, n int) {
	if e.now == nil {
		e.now = activity.NewEntropies(e.net)
	}
	e.now.Activation(i, y, n)
}

func (e *entropyOfBatch) take() []activity.LayerEntropy {
	if e.now == nil { // a network without activations
		return nil
	}
	layers := e.now.Layers()
	e.now = nil
	return layers
}
