package localsteps

import (
	"fmt"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// TestOnACluster: the models of a real cluster for the spec of P6.9 are the laboratory's, and P6.9 holds of what its store has:
// the residuals follow the law.
func TestOnACluster(t *testing.T) {
	const rounds = 6
	base, err := laboratory().Setting("P6.9")
	if err != nil {
		t.Fatal(err)
	}
	l := newLaw(base.Job)
	s, err := laboratory().Setting("P6.9", fmt.Sprintf("rounds=%d", rounds), "keep={last: 10}", fmt.Sprintf("local.optimizer.sgd.lr=%v", l.step/2))
	if err != nil {
		t.Fatal(err)
	}
	l.prepare(s.Spec.Local.Schedule.Steps)
	run := fedrelutest.Start(t, string(s.Spec.YAML()), 2)
	result := run.Wait()
	x := newExperiment[float32](s)
	stored := []*mat.VecDense{residual(x, x.start())}
	_, err = s.Runner().Run(t.Context(), rounds, func(f localsgd.RoundFacts, model []float32) error {
		if got, want := result.Rounds[f.Plan.Round-1].ModelSHA256, tensor.HashBlock(model).String(); got != want {
			t.Errorf("round %d: the cluster has model %s, the laboratory %s", f.Plan.Round, got, want)
		}
		stored = append(stored, residual(x, run.Model(f.Plan.Round)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if off := l.compare(stored).Value(); !(off <= exact32) {
		t.Errorf("the residuals of the stored models are %.2g of the first away from the law, at most %.0e", off, exact32)
	}
}
