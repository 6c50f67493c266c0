package deeprelu

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// TestOnACluster: the models of a real cluster for a small form of Y2 on four shards are the laboratory's, and P2.1 holds of what its
// store has: the trained network is the explicit expression.
func TestOnACluster(t *testing.T) {
	text, err := os.ReadFile("../../../examples/claims/P2.6.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 2
	changes := strings.NewReplacer("rounds: 5", "rounds: 2\nkeep: {last: 5}", "shards: {count: 1, limit: 2000}", "shards: {count: 4, limit: 100}",
		"data: {mnist: {}}", "data: {synthetic: {gaussian: {train: 100, test: 20, inputs: 20}}}")
	run := fedrelutest.Start(t, changes.Replace(string(text)), 2)
	result := run.Wait()

	s, err := laboratory(shallow[0], "shards.limit=100", "shards.count=4").Setting("P2.6")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Runner().Run(context.Background(), rounds, func(f localsgd.RoundFacts, model []float32) error {
		round := f.Plan.Round
		if got, want := result.Rounds[round-1].ModelSHA256, tensor.HashBlock(model).String(); got != want {
			t.Errorf("round %d: the cluster has model %s, the laboratory %s", round, got, want)
		}
		d, err := newDeep(s, run.Model(round))
		if err != nil {
			return err
		}
		if off, _ := expressionError[float64](d, open); !(off.Value() <= expressionBound) {
			t.Errorf("round %d: the stored model is %v away from the explicit expression", round, off)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
