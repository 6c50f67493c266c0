package lowrank

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// TestOnACluster: the models of a real cluster for the spec of P1.7 are the laboratory's, and the certificate holds of what its
// store has.
func TestOnACluster(t *testing.T) {
	const rounds, eps = 12, 0.2
	text, err := os.ReadFile("../../../examples/claims/P1.7.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run := fedrelutest.Start(t, strings.Replace(string(text), "rounds: 400", "rounds: 12\nkeep: {last: 20}", 1), 2)
	result := run.Wait()
	s, err := lab(0).Setting("P1.7")
	if err != nil {
		t.Fatal(err)
	}
	stored := [][]float32{s.Job.Start()}
	_, err = s.Runner().Run(context.Background(), rounds, func(f localsgd.RoundFacts, model []float32) error {
		round := f.Plan.Round
		if got, want := result.Rounds[round-1].ModelSHA256, tensor.HashBlock(model).String(); got != want {
			t.Errorf("round %d: the cluster has model %s, the laboratory %s", round, got, want)
		}
		stored = append(stored, run.Model(round))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	norms, binding := newNorms[float32](s, stored), 0
	for i, l := range layersOf(s.Job.Net) {
		var spans []theory.Span
		for step := range rounds {
			now, err := norms(step, i)
			if err != nil {
				t.Fatal(err)
			}
			spans = append(spans, theory.Span{Decay: rho(s), Samples: s.Job.Local.Schedule.Batch, Spectral: now.values[0]})
		}
		end, err := norms(rounds, i)
		if err != nil {
			t.Fatal(err)
		}
		c := theory.Certify(theory.Layer{Rows: l.rows, Cols: l.cols, Positions: l.positions}, spans, norm(end.values), eps)
		if rank := analysis.EpsRank(end.values, eps); c.Violated(rank) {
			t.Errorf("%s: rank %d at eps %g, at most %d", l.Name, rank, eps, c.Bound)
		}
		if !c.Vacuous {
			binding++
		}
	}
	if binding < 4 {
		t.Errorf("%d certificates say anything, want at least 4", binding)
	}
}
