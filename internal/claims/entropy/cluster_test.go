package entropy

import (
	"testing"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// TestOnACluster: the models of real clusters for a small form of P4.4 are the laboratory's, and P4.4 holds of what their stores
// have: every layer has more entropy with a slope than with ReLU.
func TestOnACluster(t *testing.T) {
	var entropies [][]float64
	for _, slope := range []float64{0, 0.4} {
		s, err := laboratory().Setting("P4.4", leaky(slope), "shards.limit=300", "rounds=2", "model.mlp.hidden=[64, 64, 64, 64, 32]")
		if err != nil {
			t.Fatal(err)
		}
		run := fedrelutest.Start(t, string(s.Spec.YAML()), 2)
		result := run.Wait()
		_, err = s.Runner().Run(t.Context(), 2, func(f localsgd.RoundFacts, model []float32) error {
			if got, want := result.Rounds[f.Plan.Round-1].ModelSHA256, tensor.HashBlock(model).String(); got != want {
				t.Errorf("slope %v, round %d: the cluster has model %s, the laboratory %s", slope, f.Plan.Round, got, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		entropies = append(entropies, entropyOf(t, s, run.Model(2)))
	}
	for i, h := range entropies[0] {
		if entropies[1][i] <= h {
			t.Errorf("hidden layer %d has entropy %.3f with slope 0.4 and %.3f with ReLU", i+1, entropies[1][i], h)
		}
	}
}

// entropyOf returns the entropies of a model's hidden layers on the training set.
func entropyOf(t *testing.T, s *claims.Setting, model []float32) []float64 {
	t.Helper()
	machine := relu.NewMachine[float32](s.Job.Net, len(s.Job.Shards[0]))
	seen := activity.NewEntropies(s.Job.Net)
	machine.Watch(seen)
	machine.Evaluate(model, localsgd.Fill(machine, s.Job.Data.Train, s.Job.Shards[0]))
	h, err := values(seen.Layers())
	if err != nil {
		t.Fatal(err)
	}
	return h
}
