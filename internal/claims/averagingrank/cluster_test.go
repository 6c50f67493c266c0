package averagingrank

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// TestOnACluster: the models of a real cluster for the spec of P1.11 are the laboratory's, and the theorem, which needs nothing but
// the averages at the ends of rounds, holds of what its store has.
func TestOnACluster(t *testing.T) {
	const rounds, eps = 6, 0.2
	text, err := os.ReadFile("../../../examples/claims/P1.11.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run := fedrelutest.Start(t, strings.Replace(string(text), "rounds: 100 ", "keep: {last: 10}\nrounds: 6 ", 1), 2)
	result := run.Wait()
	s, err := lab(claims.Quick).Setting("P1.11")
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
	local := s.Job.Local
	decay := math.Pow(1-local.SGD.LR*local.SGD.WeightDecay, float64(local.Schedule.Steps))
	samples := len(s.Job.Shards) * local.Schedule.Batch * local.Schedule.Steps
	for _, view := range claims.Hidden(s.Job.Net) {
		rows, cols, _ := view.Matrix()
		var spans []theory.Span
		for _, block := range stored {
			values, err := spectrum(block, view)
			if err != nil {
				t.Fatal(err)
			}
			if len(spans) == rounds {
				c := theory.Certify(theory.Layer{Rows: rows, Cols: cols, Positions: 1}, spans, analysis.Frobenius(values), eps)
				if rank := analysis.EpsRank(values, eps); c.Violated(rank) || c.Vacuous {
					t.Errorf("%s: rank %d at eps %g, bound %+v", view.Name, rank, eps, c)
				}
			}
			spans = append(spans, theory.Span{Decay: decay, Samples: samples, Spectral: values[0]})
		}
	}
}
