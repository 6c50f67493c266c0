package averagingrank

import (
	"context"
	"math"
	"os"
	"testing"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
)

func lab(size claims.Size, set ...string) *claims.Lab {
	return &claims.Lab{Size: size, Specs: os.DirFS("../../../examples/claims"), Set: set, Threads: 2, Say: func(string, ...any) {}}
}

func measure(t *testing.T, l *claims.Lab, id string) *claims.Outcome {
	t.Helper()
	for _, c := range Paper().Claims {
		if c.ID != id {
			continue
		}
		o, err := c.Measure(context.Background(), l)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		t.Logf("%s: %s\n%s\n%s\n%s\n%s", id, o.Verdict, o.Setup, o.Predicted, o.Measured, o.Why)
		return o
	}
	t.Fatalf("no claim %s", id)
	return nil
}

// TestRandomGradients: the theorem and the law on a smaller matrix than the claims'. The exact claims on their own specs are measured
// by `fedrelu reproduce`, which fails when one of them does, and which CI runs.
func TestRandomGradients(t *testing.T) {
	small := lab(claims.Quick, "data.synthetic.gaussian.inputs=140", "model.mlp.hidden=[140]", "local.optimizer.sgd.weight_decay=1.5")
	if v := measure(t, small, "P1.11c").Verdict; v == claims.Fails {
		t.Errorf("P1.11c: %s", v)
	}
	rows, err := randomRanks(context.Background(), small, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.excess() > 0 {
			t.Errorf("%v: %g above the bound", r, r.excess())
		}
		if off := math.Abs(r.Average - float64(r.LawAverage)); off > max(3, lawWithin*float64(r.LawAverage)) { // ranks are few at this size
			t.Errorf("%v: average %g, law %d", r, r.Average, r.LawAverage)
		}
	}
}

// Controls.

// TestTheTheoremNeedsTheSamples: with a hundredth of the gradients counted, a bound is broken.
func TestTheTheoremNeedsTheSamples(t *testing.T) {
	d := randomGradients{theory.Dynamics{Workers: 3, Steps: 4, Batch: 2, Rho: 0.8}, 120, 120, 1}
	r, err := d.measure()
	if err != nil {
		t.Fatal(err)
	}
	if e := r.excess(); e > 0 {
		t.Errorf("K=3: %g above the bound", e)
	}
	few := r
	few.Batch, few.Workers = 1, 1
	few.certify(d.run())
	if v := claims.TestBound(few.excess(), 0).Verdict; v != claims.Fails {
		t.Errorf("with a sixth of the samples: %s (%g)", v, few.excess())
	}
	if off := worstDeviation([]row{r}, 1.5); claims.TestTrend([]float64{off, off, off + 0.001}, claims.Below, lawWithin).Verdict != claims.Fails {
		t.Errorf("a law of half as much again is off by %g only", off)
	}
}

// TestHMattersInNonlinearModels: the same draws through a network with a hidden layer.
func TestHMattersInNonlinearModels(t *testing.T) {
	s, err := lab(claims.Quick, "model={mlp: {hidden: [6]}}").Setting("P1.12a")
	if err != nil {
		t.Fatal(err)
	}
	points, err := arms[0].measure64(context.Background(), s, dividing(200), 200)
	if err != nil {
		t.Fatal(err)
	}
	if v := worstOf(points).Test(invariant64).Verdict; v != claims.Fails {
		t.Errorf("ReLU network: %s (%g)", v, worstOf(points).Value())
	}
}
