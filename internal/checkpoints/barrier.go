package checkpoints

import (
	"context"
	"fmt"
	"runtime"

	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// recalibratedLoss returns the loss that M18 takes along a line between models: that on the first examples of the test set, with
// running statistics recomputed on the probe, since those of a point between two models are of neither.
func (s *Subject) recalibratedLoss(ctx context.Context) (func(params []float32) (float64, error), error) {
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
