package lowrank

import (
	"context"
	"os"
	"testing"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
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

func TestExactClaims(t *testing.T) {
	for id, set := range map[string][]string{"P1.5": {"rounds=2"}, "P1.6": nil, "P1.7": {"rounds=80"}} {
		if v := measure(t, lab(claims.Quick, set...), id).Verdict; v != claims.Holds {
			t.Errorf("%s: %s", id, v)
		}
	}
}

// Controls: what must break each exact claim.

func TestGradientsOfNoiseHaveFullRank(t *testing.T) {
	s, err := lab(claims.Quick).Setting("P1.5")
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]float64, s.Job.Net.Parameters())
	stream := keyed.New(1, "noise")
	for i := range noise {
		noise[i] = stream.Normal()
	}
	out := tails{tails: worst{}}
	if err := out.add(noise, s, 1); err != nil {
		t.Fatal(err)
	}
	if v := claims.TestBound(out.tails.all(), bound32).Verdict; v != claims.Fails {
		t.Errorf("gradients of noise: %s, %v", v, out.tails)
	}
}

func TestUnrollingNeedsTheRightDecay(t *testing.T) {
	s, err := lab(claims.Quick, "model={mlp: {hidden: [8, 8]}}").Setting("P1.6")
	if err != nil {
		t.Fatal(err)
	}
	for factor, want := range map[float64]claims.Verdict{rho(s): claims.Holds, 1: claims.Fails} {
		got, err := unrollingError[float32](context.Background(), s, factor)
		if err != nil {
			t.Fatal(err)
		}
		if v := claims.TestBound(got.all(), bound32).Verdict; v != want {
			t.Errorf("factor %g: %s, %v", factor, v, got)
		}
	}
}

// TestCertificatesNeedSmallRank: a matrix of full rank breaks a certificate that the spans of a run give.
func TestCertificatesNeedSmallRank(t *testing.T) {
	s, err := lab(claims.Quick).Setting("P1.7")
	if err != nil {
		t.Fatal(err)
	}
	l := layersOf(s.Job.Net)[2]
	full := make([]float64, min(l.rows, l.cols))
	for i := range full {
		full[i] = 1
	}
	out := certified{excess: worst{}}
	spectrum := func(int, int) (moment, error) { return moment{full, 0.8, 1}, nil }
	if err := out.add(spectrum, 100, 2, l); err != nil {
		t.Fatal(err)
	}
	if v := out.test().Verdict; v != claims.Fails {
		t.Errorf("full rank: %s, %v", v, out.excess)
	}
}
