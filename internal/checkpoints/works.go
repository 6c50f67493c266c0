package checkpoints

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Probe is how many examples are looked at: the first of the test set for activity (M15), the first of the training set for
// gradients.
const Probe = 1000

// Works is what a model computes on data.
type Works struct {
	Loss     float64 // on the test set
	Accuracy *float64
	Gradient *float64 // norm of the gradient of the loss on the first training examples
	Units    []activity.Count
	Entropy  []activity.LayerEntropy
}

// Subject is the network and the data that models are measured on.
type Subject struct {
	job       *localsgd.Job
	evaluator *localsgd.Evaluator
}

// NewSubject returns the subject of a spec's job, which must have a test set, after a look whether models of the layout are its
// network's: by names and shapes, or where anyNames is set by shapes alone.
func NewSubject(job *localsgd.Job, layout *tensor.Layout, anyNames bool) (*Subject, error) {
	descs := slices.Clone(layout.Descs())
	if own := job.Net.Layout(); anyNames && own.Len() == len(descs) {
		for i := range descs {
			descs[i].Name = own.At(i).Name
		}
	}
	if err := workload.FitStart(descs, job.Net.Layout()); err != nil {
		return nil, fmt.Errorf("the models are not of the network: %w", err)
	}
	return &Subject{job, localsgd.NewEvaluator(job.Net, job.Data.Test, runtime.GOMAXPROCS(0))}, nil
}

// MNISTSpec returns the spec of a network of linear layers on MNIST for models of the layout.
func MNISTSpec(layout *tensor.Layout) (*spec.Spec, error) {
	net, reason := Chain(layout)
	if net == nil {
		return nil, fmt.Errorf("--data mnist needs a network of linear layers: %s; name a spec instead", reason)
	}
	hidden, bias := []int{}, false
	for i := range layout.Len() {
		if v := layout.At(i); len(v.Shape) == 2 {
			hidden = append(hidden, v.Shape[0])
		} else {
			bias = true
		}
	}
	if first, last := layout.At(0).Shape[1], hidden[len(hidden)-1]; first != 784 || last != 10 {
		return nil, fmt.Errorf("--data mnist needs 784 inputs and 10 outputs, the model has %d and %d", first, last)
	}
	list := fmt.Sprint(hidden[:len(hidden)-1])
	text := fmt.Sprintf("data: {mnist: {}}\nmodel: {mlp: {hidden: %s, bias: %v}}\n", commas(list), bias)
	return spec.Parse("mnist", []byte(text), nil)
}

// commas writes [1 2] as [1, 2].
func commas(list string) string {
	out := make([]rune, 0, 2*len(list))
	for _, r := range list {
		if r == ' ' {
			out = append(out, ',')
		}
		out = append(out, r)
	}
	return string(out)
}

func (s *Subject) network() *relu.Network {
	if s == nil {
		return nil
	}
	return s.job.Net
}

// score returns what scores models on the test set.
func (s *Subject) score(ctx context.Context) func(params []float32) (loss, accuracy float64, err error) {
	return func(params []float32) (float64, float64, error) {
		score, err := s.evaluator.Evaluate(ctx, params)
		if err != nil {
			return 0, 0, err
		}
		return score.Loss, score.Accuracy, nil
	}
}

// accuracy is nil where the data have no classes.
func (s *Subject) accuracy(v float64) *float64 {
	if s.job.Data.Test.Classes == 0 {
		return nil
	}
	return &v
}

func first(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

func (s *Subject) works(ctx context.Context, block []float32) (*Works, error) {
	score, err := s.evaluator.Evaluate(ctx, block)
	if err != nil {
		return nil, err
	}
	out := &Works{Loss: score.Loss, Accuracy: s.accuracy(score.Accuracy)}
	set := s.job.Data.Test
	examples := first(min(Probe, set.Len()))
	machine := relu.NewMachine[float32](s.job.Net, len(examples))
	units, entropies := activity.NewUnits(s.job.Net), activity.NewEntropies(s.job.Net)
	machine.Watch(both{units, entropies})
	machine.Forward(block, localsgd.Fill(machine, set, examples))
	out.Units, out.Entropy = units.Counts(), entropies.Layers()
	out.Gradient = s.gradient(block)
	return out, nil
}

// both shows activations to two watchers.
type both struct{ a, b relu.Watcher[float32] }

func (w both) Activation(i int, y []float32, n int) {
	w.a.Activation(i, y, n)
	w.b.Activation(i, y, n)
}

// probe returns a machine with the first training examples in its batch.
func (s *Subject) probe() (*relu.Machine[float32], *relu.Batch[float32]) {
	examples := first(min(Probe, s.job.Data.Train.Len()))
	machine := relu.NewMachine[float32](s.job.Net, len(examples))
	return machine, localsgd.Fill(machine, s.job.Data.Train, examples)
}

func (s *Subject) gradient(block []float32) *float64 {
	machine, batch := s.probe()
	sample, err := analysis.NewMeasurer(s.job.Net.Layout(), machine).Measure(0, block, block, batch)
	if err != nil {
		return nil // a gradient that is not finite
	}
	return &sample.NormEnd
}

// compare measures how many gates models have in common, and the drift of their gradients from that at their mean, all on the
// same examples.
func (s *Subject) compare(blocks [][]float32, mean []float32) ([]activity.Agreement, *analysis.Drift, error) {
	set := s.job.Data.Test
	examples := first(min(Probe, set.Len()))
	machine := relu.NewMachine[float32](s.job.Net, len(examples))
	recorder := activity.NewRecorder(s.job.Net)
	machine.Watch(recorder)
	var patterns []activity.Pattern
	for _, block := range blocks {
		machine.Forward(block, localsgd.Fill(machine, set, examples))
		patterns = append(patterns, recorder.Take())
	}
	agreement, err := activity.Agree(patterns)
	if err != nil {
		return nil, nil, err
	}
	probing, batch := s.probe()
	measurer := analysis.NewMeasurer(s.job.Net.Layout(), probing)
	var samples []analysis.Sample
	for i, block := range blocks {
		sample, err := measurer.Measure(i, block, mean, batch)
		if err != nil {
			return agreement, nil, nil // a gradient that is not finite has no drift
		}
		sample.Weight = 1 / float64(len(blocks))
		samples = append(samples, sample)
	}
	drift, err := analysis.Combine(samples)
	return agreement, drift, err
}
