package entropy

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
)

// trial is one training of a setting's single shard.
type trial struct {
	Entropy  [][]float64 // by round, by hidden activation: the mean over the round's batches
	Accuracy float64     // on the test set, mean over the last fifth of the rounds
	Loss     float64     // the same
	Model    []float32   // the last one
	Updates  int
}

// lost returns the mean over the hidden activations of the part of their entropy that training took away.
func (t *trial) lost() float64 {
	first, last := t.Entropy[0], t.Entropy[len(t.Entropy)-1]
	sum := 0.0
	for i := range first {
		sum += (first[i] - last[i]) / first[i]
	}
	return sum / float64(len(first))
}

// train trains shard 0 for the spec's rounds. Rounds follow each other as in a run with one shard.
func train(ctx context.Context, s *claims.Setting) (*trial, error) {
	job := s.Job
	if len(job.Shards) != 1 {
		return nil, fmt.Errorf("shards.count: %d, but these claims are about one shard that trains alone", len(job.Shards))
	}
	trainer := localsgd.NewTrainer(job)
	evaluator := localsgd.NewEvaluator(job.Net, job.Data.Test, 1)
	b := localsgd.Blocks{Start: job.Start(), End: make([]float32, job.Layout().Size()), Next: make([]float32, job.ShardState().Size())}
	out, evaluations := &trial{}, 0
	for round := 1; round <= s.Spec.Rounds; round++ {
		entropies := activity.NewEntropies(job.Net)
		trainer.WatchActivations(entropies, nil)
		facts, err := trainer.Train(ctx, localsgd.Task{Round: round}, localsgd.NewGrid(job.Layout(), b.Start), b)
		if err != nil {
			return nil, err
		}
		out.Updates += facts.Steps
		b = following(b)
		layers, err := values(entropies.Layers())
		if err != nil {
			return nil, err
		}
		out.Entropy = append(out.Entropy, layers)
		if round <= s.Spec.Rounds-(s.Spec.Rounds+4)/5 {
			continue
		}
		score, err := evaluator.Evaluate(ctx, b.Start)
		if err != nil {
			return nil, err
		}
		out.Accuracy, out.Loss, evaluations = out.Accuracy+score.Accuracy, out.Loss+score.Loss, evaluations+1
	}
	out.Accuracy /= float64(evaluations)
	out.Loss /= float64(evaluations)
	out.Model = b.Start
	return out, nil
}

// following returns the blocks of the next round: it starts where this one ended.
func following(b localsgd.Blocks) localsgd.Blocks {
	next := localsgd.Blocks{Start: b.End, End: b.Start, State: b.Next, Next: b.State}
	if next.Next == nil {
		next.Next = make([]float32, len(next.State))
	}
	return next
}

func values(layers []activity.LayerEntropy) ([]float64, error) {
	out := make([]float64, len(layers))
	for i, l := range layers {
		if l.Entropy == nil {
			return nil, fmt.Errorf("the entropy of %s: %s", l.Name, l.Reason)
		}
		out[i] = *l.Entropy
	}
	return out, nil
}

// grid trains a claim's setting for every arm and seed, arms[i] being changes of the spec.
func grid(ctx context.Context, lab *claims.Lab, id string, arms [][]string, seeds []uint64) ([][]*trial, error) {
	out := make([][]*trial, len(arms))
	for i := range out {
		out[i] = make([]*trial, len(seeds))
	}
	err := lab.Each(ctx, len(arms)*len(seeds), func(ctx context.Context, n int) error {
		i, k := n/len(seeds), n%len(seeds)
		changes := append(slices.Clone(arms[i]), fmt.Sprintf("seed=%d", seeds[k]))
		s, err := lab.Setting(id, changes...)
		if err != nil {
			return err
		}
		t, err := train(ctx, s)
		if err != nil {
			return fmt.Errorf("training %s with %v: %w", id, changes, err)
		}
		out[i][k] = t
		return nil
	})
	lab.Say("%s: %d trainings", id, len(arms)*len(seeds))
	return out, err
}

// leaky returns the changes that give every activation the slope.
func leaky(slope float64) string {
	if slope == 0 {
		return "model.mlp.activation={relu: {}}"
	}
	return fmt.Sprintf("model.mlp.activation={leaky_relu: {slope: %v}}", slope)
}

// table is a number for every slope and seed.
type table struct {
	slopes []float64
	values [][]float64 // [slope][seed]
}

func tabulate(slopes []float64, trials [][]*trial, f func(*trial) float64) table {
	t := table{slopes: slopes}
	for _, row := range trials {
		values := make([]float64, len(row))
		for k, x := range row {
			values[k] = f(x)
		}
		t.values = append(t.values, values)
	}
	return t
}

// means returns the mean over the seeds for each slope.
func (t table) means() []float64 { return t.meansWithout(-1) }

// meansWithout leaves out a seed.
func (t table) meansWithout(k int) []float64 {
	out := make([]float64, len(t.values))
	for i, row := range t.values {
		kept := row
		if k >= 0 {
			kept = slices.Delete(slices.Clone(row), k, k+1)
		}
		out[i] = claims.Mean(kept)
	}
	return out
}

// correlations returns a jackknife of the rank correlation of the slopes with the means over the seeds.
func (t table) correlations() []float64 {
	return claims.Jackknife(len(t.values[0]), func(without int) float64 { return claims.Spearman(t.slopes, t.meansWithout(without)) })
}

// from returns the table of the slopes from the i-th on.
func (t table) from(i int) table { return table{slopes: t.slopes[i:], values: t.values[i:]} }

// seed returns the values of one seed by slope.
func (t table) seed(k int) []float64 {
	out := make([]float64, len(t.values))
	for i := range out {
		out[i] = t.values[i][k]
	}
	return out
}

// perSeed returns f of every seed's values.
func (t table) perSeed(f func(bySlope []float64) float64) []float64 {
	out := make([]float64, len(t.values[0]))
	for k := range out {
		out[k] = f(t.seed(k))
	}
	return out
}
