package sgdgd

import (
	"context"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// TestOnACluster: the models of a real cluster for the spec of P3.7 are the laboratory's, and the claim holds of what its store
// has.
func TestOnACluster(t *testing.T) {
	text, err := fs.ReadFile(os.DirFS("../../../examples/claims"), "P3.7.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 3
	short := strings.Replace(string(text), "rounds: 20", "rounds: 3\nkeep: {last: 5}", 1)
	run := fedrelutest.Start(t, short, 2)
	result := run.Wait()

	s, err := laboratory().Setting("P3.7")
	if err != nil {
		t.Fatal(err)
	}
	view, err := firstWeight(s.Job.Net)
	if err != nil {
		t.Fatal(err)
	}
	l, reason := lawOf(s, view.Name)
	if reason != "" {
		t.Fatal(reason)
	}
	p := outside(s.Job)
	left := p(wide(tensor.Of(s.Job.Start(), view)))
	_, err = s.Runner().Run(context.Background(), rounds, func(f localsgd.RoundFacts, model []float32) error {
		round := f.Plan.Round
		if got, want := result.Rounds[round-1].ModelSHA256, tensor.HashBlock(model).String(); got != want {
			t.Errorf("round %d: the cluster has model %s, the laboratory %s", round, got, want)
		}
		left *= l.round(f.Plan)
		if got := p(wide(tensor.Of(run.Model(round), view))); math.Abs(got/left-1) > bound32 {
			t.Errorf("round %d: the stored model has %.8g outside of the data's span, predicted %.8g", round, got, left)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
