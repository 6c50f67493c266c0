package entropy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

var transferSlopes = []float64{0, 0.2, 0.4, 0.6}

const (
	transferSeeds = 10
	firstNew      = 5 // labels from here on are those of the second task
	features      = 2 // linear layers that are trained on the first task and frozen in the second
)

// transfer is P4.8, with digits for the paper's images: features from the digits 0 to 4, heads for 5 to 9.
func transfer(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	loss := table{slopes: transferSlopes}
	for range transferSlopes {
		loss.values = append(loss.values, make([]float64, transferSeeds))
	}
	err := lab.Each(ctx, transferSeeds, func(ctx context.Context, k int) error {
		losses, err := heads(ctx, lab, uint64(k)+1)
		for i, v := range losses {
			loss.values[i][k] = v
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	o := judgeTransfer(loss)
	o.Setup = fmt.Sprintf("features trained on labels below %d and frozen, heads trained on the others, %d paired seeds", firstNew, transferSeeds)
	o.Predicted = "heads with slopes 0.2 to 0.6 reach a lower validation loss than ReLU heads"
	o.Measured = "loss " + bySlope(loss, "%.4f")
	drawTransfer(lab, loss)
	writeDown(lab, "entropy-transfer", loss)
	return o, nil
}

// judgeTransfer compares the mean loss over the slopes above 0 with that at 0, in pairs and relative to it, as the paper's figures do.
func judgeTransfer(t table) *claims.Outcome {
	return claims.TestTrend(t.perSeed(func(loss []float64) float64 { return claims.Mean(loss[1:])/loss[0] - 1 }), claims.Below, 0)
}

// heads returns the loss of the head at each slope, on features of one training.
func heads(ctx context.Context, lab *claims.Lab, seed uint64) ([]float64, error) {
	base, err := lab.Setting("P4.8", append(lab.Yielding(claims.Pick(lab, []string{"rounds=10"}, nil, nil)...), fmt.Sprintf("seed=%d", seed))...)
	if err != nil {
		return nil, err
	}
	old, err := withLabels(base, 0, firstNew)
	if err != nil {
		return nil, err
	}
	trained, err := train(ctx, old)
	if err != nil {
		return nil, fmt.Errorf("training the features: %w", err)
	}
	losses := make([]float64, len(transferSlopes))
	for i, a := range transferSlopes {
		s, err := withLabels(base, firstNew, base.Job.Data.Train.Classes)
		if err != nil {
			return nil, err
		}
		if err := replaceHead(s.Job, trained.Model, a); err != nil {
			return nil, err
		}
		head, err := train(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("training the head of slope %v: %w", a, err)
		}
		losses[i] = head.Loss
	}
	return losses, nil
}

// withLabels returns the setting with the examples of the labels from..to-1 alone, all in one shard.
func withLabels(s *claims.Setting, from, to int) (*claims.Setting, error) {
	job := *s.Job
	job.Data = shard.Data{Train: pick(s.Job.Data.Train, job.Shards[0], from, to), Test: pick(s.Job.Data.Test, nil, from, to)}
	if job.Data.Train.N == 0 || job.Data.Test.N == 0 {
		return nil, fmt.Errorf("data: no examples with labels from %d to %d", from, to-1)
	}
	all := make([]int32, job.Data.Train.N)
	for i := range all {
		all[i] = int32(i)
	}
	job.Shards = shard.Shards{all}
	return &claims.Setting{Spec: s.Spec, Job: &job, Algorithm: s.Algorithm}, nil
}

// pick copies the examples of a set with certain labels; among lists examples to choose from, nil for all.
func pick(s *shard.Set, among []int32, from, to int) *shard.Set {
	out := &shard.Set{Shape: s.Shape, Classes: s.Classes, Outputs: s.Outputs}
	if among == nil {
		for i := range s.N {
			among = append(among, int32(i))
		}
	}
	x := make([]float32, s.Size())
	for _, i := range among {
		if l := int(s.Labels[i]); l >= from && l < to {
			s.Features(x, int(i))
			out.Values, out.Labels = append(out.Values, x...), append(out.Labels, s.Labels[i])
			out.N++
		}
	}
	return out
}

// replaceHead gives the job's network activations of a slope behind its features, which it takes from the model and freezes;
// the rest starts as the job's seed has it.
func replaceHead(job *localsgd.Job, model []float32, slope float64) error {
	layers, linear := job.Net.Layers(), 0
	for i, l := range layers {
		switch l.(type) {
		case relu.Linear:
			linear++
			if linear <= features {
				job.Local.Freeze = append(slices.Clone(job.Local.Freeze), fmt.Sprintf("%d.*", i))
			}
		case relu.ReLU:
			if linear > features && slope != 0 {
				layers[i] = relu.ReLU{Slope: slope}
			}
		}
	}
	if linear < features+2 {
		return fmt.Errorf("model: %d linear layers, but P4.8 freezes %d and trains a head of at least two", linear, features)
	}
	net, err := relu.New(layers, job.Net.InputShape(), job.Net.Loss())
	if err != nil {
		return err
	}
	job.Net = net
	start := job.Start()
	layout := net.Layout()
	for i := range layout.Len() {
		v := layout.At(i)
		if slices.ContainsFunc(job.Local.Freeze, func(glob string) bool { return strings.HasPrefix(v.Name, strings.TrimSuffix(glob, "*")) }) {
			copy(tensor.Of(start, v), tensor.Of(model, v))
		}
	}
	job.Given = start
	return nil
}
