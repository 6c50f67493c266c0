package splines

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// TestOnACluster: the models of a real cluster for U1 with its points in two shards are the laboratory's, and P5.1 and P5.8 hold of
// what its store has: the path norm is the variation, and averaging the shards' ends has not raised the bound.
func TestOnACluster(t *testing.T) {
	text, err := os.ReadFile("../../../examples/claims/P5.8.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changes := strings.NewReplacer("rounds: 200", "rounds: 3\nkeep: {last: 5}", "shards: {count: 1}", "shards: {count: 2}", "steps: 1000", "steps: 50")
	run := fedrelutest.Start(t, changes.Replace(string(text)), 2)
	result := run.Wait()

	s, err := laboratory("rounds=3", "shards.count=2", "local.steps=50").Setting("P5.8")
	if err != nil {
		t.Fatal(err)
	}
	runner := s.Runner()
	start := s.Job.Start()
	_, err = s.Runner().Run(context.Background(), 3, func(f localsgd.RoundFacts, model []float32) error {
		round := f.Plan.Round
		if got, want := result.Rounds[round-1].ModelSHA256, tensor.HashBlock(model).String(); got != want {
			t.Errorf("round %d: the cluster has model %s, the laboratory %s", round, got, want)
		}
		stored := run.Model(round)
		u, err := norm.NewUnivariate(s.Job.Net, stored)
		if err != nil {
			return err
		}
		path, err := pathNorm(s, stored)
		if err != nil {
			return err
		}
		if tv := variation(u); tv > path*(1+variationBound) || tv < path*(1-variationBound) {
			t.Errorf("round %d: the stored model has path norm %v and variation %v", round, path, tv)
		}
		members, p := make([]*norm.Univariate, 2), []float64{0.5, 0.5}
		for k := range members {
			end := make([]float32, len(start))
			if _, err := runner.Carry(context.Background(), s.Algorithm.PlanOf(s.Job, round, []int{k}, nil), start, end); err != nil {
				return err
			}
			if members[k], err = norm.NewUnivariate(s.Job.Net, end); err != nil {
				return err
			}
		}
		if off := violation(u, meanEnergy(members, p)); off > bound32 {
			t.Errorf("round %d: the stored average breaks the bound by %v", round, off)
		}
		copy(start, model)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
