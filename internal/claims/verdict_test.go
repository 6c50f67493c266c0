package claims

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestTrendVerdicts(t *testing.T) {
	for _, c := range []struct {
		effects []float64
		side    Side
		want    Verdict
	}{
		{[]float64{-3, -3.1, -2.9, -3, -3}, Below, Holds},
		{[]float64{-3, -3.1, -2.9, -3, -3}, Above, Fails},
		{[]float64{3, 3.1, 2.9}, Above, Holds},
		{[]float64{3, 3.1, 2.9}, Below, Fails},
		{[]float64{-1, 1, 0.5}, Below, Inconclusive},
		{[]float64{-1}, Below, Inconclusive},
		{[]float64{-1, math.NaN(), -1}, Below, Inconclusive},
		{nil, Below, Inconclusive},
	} {
		if got := TestTrend(c.effects, c.side, 0).Verdict; got != c.want {
			t.Errorf("effects %v, side %v: %s, want %s", c.effects, c.side, got, c.want)
		}
	}
}

// TestInterval: 1..5 has mean 3 and standard deviation sqrt(2.5); t(0.975, 4) = 2.776445.
func TestInterval(t *testing.T) {
	mean, ci, ok := Interval([]float64{1, 2, 3, 4, 5})
	half := 2.776445105 * math.Sqrt(2.5) / math.Sqrt(5)
	if !ok || mean != 3 || math.Abs(ci[0]-3+half) > 1e-6 || math.Abs(ci[1]-3-half) > 1e-6 {
		t.Errorf("interval of 1..5: %v %v %v, want 3 +- %v", mean, ci, ok, half)
	}
}

func TestBoundVerdicts(t *testing.T) {
	if v := TestBound(1e-11, 1e-10).Verdict; v != Holds {
		t.Errorf("within the bound: %s", v)
	}
	if v := TestBound(2e-10, 1e-10).Verdict; v != Fails {
		t.Errorf("beyond the bound: %s", v)
	}
	if v := TestBound(math.NaN(), 1e-10).Verdict; v != Fails {
		t.Errorf("NaN: %s", v)
	}
}

func TestAllTakesTheWorst(t *testing.T) {
	holds, unclear, fails := TestBound(0, 1), TestTrend(nil, Below, 0), TestBound(2, 1)
	if v := All(holds, unclear, holds).Verdict; v != Inconclusive {
		t.Errorf("with one inconclusive part: %s", v)
	}
	if v := All(unclear, fails, holds).Verdict; v != Fails {
		t.Errorf("with one failed part: %s", v)
	}
}

// TestNothingHoldsOfNothing: what was not measured holds in no way in which a verdict is reached, and decides nothing beside what was.
func TestNothingHoldsOfNothing(t *testing.T) {
	nan := Worst{}
	nan.Add(1)
	nan.Add(math.NaN())
	nan.Add(2)
	for name, o := range map[string]*Outcome{
		"no part": All(), "untested parts": All(Untested("a"), Untested("b")), "no measurement": Worst{}.Test(1), "NaN": nan.Test(3),
		"no seed": TestTrend(nil, Below, 1), "no ratio": TestWithin(nil, 1), "one seed": TestTrend([]float64{0}, Below, 1),
	} {
		if o.Verdict == Holds || o.Why == "" {
			t.Errorf("%s: %s, %q", name, o.Verdict, o.Why)
		}
	}
	o := All(Untested("no pair"), TestBound(0, 1))
	if o.Verdict != Holds || !strings.Contains(o.Why, "no pair") {
		t.Errorf("a part that holds beside one that was not tested: %s, %q", o.Verdict, o.Why)
	}
	if o := All(TestBound(2, 1), Untested("no pair")); o.Verdict != Fails {
		t.Errorf("a part that fails beside one that was not tested: %s", o.Verdict)
	}
}

// TestWorst: the largest, however it was collected.
func TestWorst(t *testing.T) {
	var a, b Worst
	a.Add(-3)
	b.Merge(Worst{})
	b.Add(-1)
	b.Add(-2)
	a.Merge(b)
	if a.Value() != -1 || a.N() != 3 {
		t.Errorf("the largest of -3, -1, -2: %v of %d", a.Value(), a.N())
	}
	if !math.IsNaN((Worst{}).Value()) {
		t.Error("the largest of nothing is a number")
	}
}

// TestSpearman: with ties, the correlation of the mean ranks (1, 2.5, 2.5, 4) and (1, 2, 3, 4).
func TestSpearman(t *testing.T) {
	if r := Spearman([]float64{1, 2, 3, 4}, []float64{10, 9, 8, -5}); math.Abs(r+1) > 1e-12 {
		t.Errorf("reversed: %v, want -1", r)
	}
	if r, want := Spearman([]float64{1, 2, 2, 4}, []float64{1, 2, 3, 4}), 4.5/math.Sqrt(4.5*5); math.Abs(r-want) > 1e-12 {
		t.Errorf("with ties: %v, want %v", r, want)
	}
	if r := Spearman([]float64{1, 2}, []float64{1, math.NaN()}); !math.IsNaN(r) {
		t.Errorf("with a NaN: %v, want NaN", r)
	}
	if r := Spearman([]float64{1, 1}, []float64{1, 2}); !math.IsNaN(r) {
		t.Errorf("of a constant: %v, want NaN", r)
	}
}

// TestJackknife: that of a mean is the values themselves.
func TestJackknife(t *testing.T) {
	x := []float64{3, -1, 4, 1.5}
	mean := func(without int) float64 {
		kept := slices.Clone(x)
		if without >= 0 {
			kept = slices.Delete(kept, without, without+1)
		}
		return Mean(kept)
	}
	for k, v := range Jackknife(len(x), mean) {
		if math.Abs(v-x[k]) > 1e-12 {
			t.Errorf("value %d of a mean: %g, want %g", k, v, x[k])
		}
	}
}
