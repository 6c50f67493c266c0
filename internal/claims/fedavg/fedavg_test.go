package fedavg

import (
	"math"
	"os"
	"testing"

	"github.com/fedrelu/fedrelu/internal/claims"
)

func laboratory(size claims.Size) *claims.Lab {
	return &claims.Lab{Size: size, Specs: os.DirFS("../../../examples/claims"), Threads: 2, Say: func(string, ...any) {}}
}

// small is a cell of seconds: ten shards of 200 images each, 32 units, to 80%.
func small(rate float64) cell {
	return cell{spec: "A1.1", name: "small", paper: 10, rates: []float64{rate}, evaluate: 1, threads: 1, changes: []string{
		"shards.limit=2000", "shards.count=10", "participation.fraction=1", "model.mlp.hidden=[32]", "stop.accuracy=0.8"}}
}

func measured(t *testing.T, c cell, seeds int) *result {
	t.Helper()
	r, err := measureCells(t.Context(), laboratory(claims.Quick), []cell{c}, claims.Seeds(seeds))
	if err != nil {
		t.Fatal(err)
	}
	return r[0]
}

func TestCellReachesItsTarget(t *testing.T) {
	r := measured(t, small(0.2), 3)
	if o := judge(r); o.Verdict != claims.Holds || o.Seeds != 3 {
		t.Errorf("rounds %s of 10: %s on %d seeds (%s), want holds on 3", rounds(r), o.Verdict, o.Seeds, o.Why)
	}
}

// TestControl: what hardly learns must fail the claim, and say that it was cut off.
func TestControl(t *testing.T) {
	r := measured(t, small(1e-4), 3)
	if o := judge(r); o.Verdict != claims.Fails || r.unreached() != 3 {
		t.Errorf("with rate 1e-4: %s, %d runs cut off, want fails and 3", o.Verdict, r.unreached())
	}
}

func TestBestRateIsKept(t *testing.T) {
	c := small(1e-4)
	c.rates = []float64{1e-4, 0.2, 0.01}
	r := measured(t, c, 1)
	if r.Runs[0].Rate != 0.2 || !r.Runs[0].Got {
		t.Errorf("the best of rates %v is said to be %v (reached: %v), want 0.2", c.rates, r.Runs[0].Rate, r.Runs[0].Got)
	}
}

func TestCrossingInterpolatesTheBestSoFar(t *testing.T) {
	c := crossing{target: 0.97}
	for round, accuracy := range []float64{0.90, 0.96, 0.93} {
		if _, ok := c.add(float64(round+1), accuracy); ok {
			t.Fatalf("round %d at %v counts as there", round+1, accuracy)
		}
	}
	// The best so far stays at 0.96 in round 3; a half of the way from there to 0.98 is the target.
	if at, ok := c.add(4, 0.98); !ok || math.Abs(at-3.5) > 1e-9 {
		t.Errorf("crossing at %v (%v), want 3.5", at, ok)
	}
}

func TestBothLimitsOfThePrice(t *testing.T) {
	for _, c := range []struct {
		prices []float64
		want   claims.Verdict
	}{
		{[]float64{5, 5.5, 6}, claims.Holds},
		{[]float64{1, 1.1, 1.2}, claims.Fails},
		{[]float64{20, 21, 22}, claims.Fails},
		{[]float64{2, 3, 4}, claims.Inconclusive},
	} {
		if got := between(c.prices).Verdict; got != c.want {
			t.Errorf("prices %v: %s, want %s", c.prices, got, c.want)
		}
	}
}

// TestNothingHoldsOfNothing: a cell without runs has no verdict.
func TestNothingHoldsOfNothing(t *testing.T) {
	if v := judge(&result{}).Verdict; v != claims.NotTestable {
		t.Errorf("a cell without runs: %s", v)
	}
	if v := between(nil).Verdict; v != claims.Inconclusive {
		t.Errorf("no prices: %s", v)
	}
}

func TestEveryCellHasASpec(t *testing.T) {
	for _, size := range []claims.Size{claims.Quick, claims.Medium, claims.Full} {
		for _, id := range []string{"A1.1", "A1.2", "A1.4", "A1.5"} {
			lab := laboratory(size)
			todo, seeds := cells(lab, id)
			if len(todo) == 0 || len(seeds) == 0 {
				t.Errorf("%s has %d cells and %d seeds at size %d", id, len(todo), len(seeds), size)
			}
			for _, c := range todo {
				if _, err := lab.Spec(c.spec, c.changes...); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
			}
		}
	}
}
