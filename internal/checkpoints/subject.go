package checkpoints

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Probe is how many examples are looked at: the first of the test set for activity and barriers (M15, M16, M18), the first of the
// training set for gradients, gates and running statistics.
const Probe = 1000

// Subject is the network and the data that models are measured on. One goroutine uses it at a time.
type Subject struct {
	Notes []string // what was assumed

	job        *localsgd.Job
	evaluator  *localsgd.Evaluator
	deadInputs func() []int
}

// NewSubject returns the subject of a spec's job, which must have a test set, after a look whether models of the layout are its
// network's: by names and shapes, or where their names are others' by their order and shapes.
func NewSubject(job *localsgd.Job, layout *tensor.Layout) (*Subject, error) {
	s := &Subject{job: job, evaluator: localsgd.NewEvaluator(job.Net, job.Data.Test, runtime.GOMAXPROCS(0))}
	s.deadInputs = sync.OnceValue(func() []int { return theory.DeadInputs(job.Data.Train, nil) })
	own := job.Net.Layout()
	if shareNames(layout, own) {
		if err := workload.FitStart(layout.Descs(), own); err != nil {
			return nil, fmt.Errorf("the models are not of the network: %w", err)
		}
		return s, nil
	}
	if misfit := fitInOrder(layout, own); misfit != "" {
		return nil, fmt.Errorf("the models are not of the network, in whose order their tensors are taken since names differ: %s; "+
			"--layers names the layers in the network's order, --set model... changes the network", misfit)
	}
	s.Notes = append(s.Notes, fmt.Sprintf("tensors have other names than the network's and were taken in this order: %s", strings.Join(modules(layout), ", ")))
	return s, nil
}

// shareNames tells whether the files have one of the network's names.
func shareNames(layout, own *tensor.Layout) bool {
	return slices.ContainsFunc(layout.Descs(), func(d tensor.Desc) bool {
		_, known := own.Lookup(d.Name)
		return known
	})
}

// fitInOrder says where tensors, taken in their order, are not those of the network; empty if they are.
func fitInOrder(layout, own *tensor.Layout) string {
	for i := range max(layout.Len(), own.Len()) {
		switch {
		case i >= layout.Len():
			return fmt.Sprintf("the network has %s %v after the last tensor", own.At(i).Name, own.At(i).Shape)
		case i >= own.Len():
			return fmt.Sprintf("the network ends before %s %v", layout.At(i).Name, layout.At(i).Shape)
		case !slices.Equal(layout.At(i).Shape, own.At(i).Shape):
			return fmt.Sprintf("%s is %v, and the network's %s is %v", layout.At(i).Name, layout.At(i).Shape, own.At(i).Name, own.At(i).Shape)
		}
	}
	return ""
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

// probe returns a machine with the first training examples in its batch.
func (s *Subject) probe() (*relu.Machine[float32], *relu.Batch[float32]) {
	examples := first(min(Probe, s.job.Data.Train.Len()))
	machine := relu.NewMachine[float32](s.job.Net, len(examples))
	return machine, localsgd.Fill(machine, s.job.Data.Train, examples)
}

func first(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// recalibratedLoss returns the loss that M18 takes along a line between models: that on the first examples of the test set, with
// running statistics recomputed on the probe, since those of a point between two models are of neither; nil without
// data.
func (s *Subject) recalibratedLoss(ctx context.Context) (lossOf, error) {
	if s == nil {
		return nil, nil
	}
	_, batch := s.probe()
	r, err := averaging.NewRecalibrator(s.job.Net, batch.N)
	if err != nil {
		return nil, fmt.Errorf("running statistics: %w", err)
	}
	if least := s.job.Net.LeastBatch(); batch.N < least {
		return nil, fmt.Errorf("running statistics need %d training examples, there are %d", least, batch.N)
	}
	evaluator := localsgd.NewEvaluator(s.job.Net, head(s.job.Data.Test, Probe), runtime.GOMAXPROCS(0))
	return func(params []float32) (float64, error) {
		r.Recalibrate(params, batch)
		score, err := evaluator.Evaluate(ctx, params)
		return score.Loss, err
	}, nil
}

// head returns the first examples of a set, sharing its memory.
func head(set *shard.Set, n int) *shard.Set {
	first := *set
	first.N = min(n, set.N)
	first.Labels, first.Groups, first.Given = cut(set.Labels, first.N), nil, nil
	first.Targets = cut(set.Targets, first.N*set.Outputs)
	first.Bytes, first.Values = cut(set.Bytes, first.N*set.Size()), cut(set.Values, first.N*set.Size())
	return &first
}

func cut[T any](values []T, n int) []T {
	if values == nil {
		return nil
	}
	return values[:n:n]
}
