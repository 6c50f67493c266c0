package fedavg

import (
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// TestOnACluster: a real cluster needs the rounds that the laboratory counts for a small cell, with the same models.
func TestOnACluster(t *testing.T) {
	lab, c := laboratory(claims.Quick), small(0.2)
	changes := append([]string{"local.optimizer.sgd.lr=0.2", "seed=1"}, c.changes...)
	s, err := lab.Setting("A1.1", changes...)
	if err != nil {
		t.Fatal(err)
	}
	counted, err := c.once(t.Context(), lab, 0.2, 1, c.limit())
	if err != nil {
		t.Fatal(err)
	}
	result := fedrelutest.Start(t, string(s.Spec.YAML()), 2).Wait()
	if want := int(math.Ceil(counted.Rounds)); !counted.Got || len(result.Rounds) != want {
		t.Fatalf("the cluster needs %d rounds, the laboratory %d (reached: %v)", len(result.Rounds), want, counted.Got)
	}
	_, err = s.Runner().Run(t.Context(), len(result.Rounds), func(f localsgd.RoundFacts, model []float32) error {
		if got, want := result.Rounds[f.Plan.Round-1].ModelSHA256, tensor.HashBlock(model).String(); got != want {
			t.Errorf("round %d: the cluster has model %s, the laboratory %s", f.Plan.Round, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
