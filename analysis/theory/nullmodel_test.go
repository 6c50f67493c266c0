package theory

import (
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// The null model makes no steps; its ranks are those of PAPERS.md 1.3 item 7, found by another program that did, for as many of
// the rows of the table as a short test has time for. All rows: -long.
func TestNullModelAgainstTheTable(t *testing.T) {
	for i, c := range []struct {
		k, h, b                int
		average, local, spread float64
	}{
		{1, 1, 1, 21, 21, 3}, {4, 40, 1, 52, 20.8, 3}, {1, 1, 4, 52, 52, 3}, {4, 1, 1, 54, 42, 3}, {4, 5, 1, 52, 21.5, 3},
		{2, 20, 2, 53, 34, 3}, {8, 10, 1, 74, 10, 5},
	} {
		if i > 1 && !*long {
			break
		}
		n := Null{Rows: 400, Cols: 400, Dynamics: Dynamics{Workers: c.k, Steps: c.h, Batch: c.b, Rho: 0.9}, Eps: 0.05, Draws: 2, Seed: 1}
		r, reason, err := n.Measure(t.Context(), new(analysis.Workspace))
		if err != nil || r == nil {
			t.Fatal(reason, err)
		}
		t.Logf("K=%d H=%d B=%d: average %.1f (%g), local %.1f (%g), effective %.1f, %.1f", c.k, c.h, c.b,
			r.Average.Mean, c.average, r.Local.Mean, c.local, r.AverageEffective.Mean, r.LocalEffective.Mean)
		if math.Abs(r.Average.Mean-c.average) > c.spread || math.Abs(r.Local.Mean-c.local) > 3 {
			t.Errorf("K=%d H=%d B=%d: average %g, local %g, want %g, %g", c.k, c.h, c.b, r.Average.Mean, r.Local.Mean, c.average, c.local)
		}
	}
}

// Against dynamics that are stepped, many times: the mean ranks lie within four standard errors.
func TestNullModelAgainstSteps(t *testing.T) {
	const side, runs, eps = 48, 20, 0.02
	d := Dynamics{Workers: 3, Steps: 6, Batch: 2, Rho: 0.8}
	r, reason, err := Null{Rows: side, Cols: side, Dynamics: d, Eps: eps, Draws: 30, Seed: 1}.Measure(t.Context(), new(analysis.Workspace))
	if err != nil || r == nil {
		t.Fatal(reason, err)
	}
	var measured [4]float64
	for seed := range uint64(runs) {
		s := simulation{Dynamics: d, side: side, start: make([]float64, side*side)}
		s.quick(seed, 12)
		for i, m := range [][]float64{mean(s.models), s.models[0]} {
			values := spectrum(t, m, side, side)
			measured[2*i] += float64(analysis.EpsRank(values, eps)) / runs
			measured[2*i+1] += analysis.EffectiveRank(values) / runs
		}
	}
	for i, e := range []Expectation{r.Average, r.AverageEffective, r.Local, r.LocalEffective} {
		t.Logf("%.3f, null model %+v", measured[i], e)
		if z := e.Z(measured[i]); math.Abs(*z) > 4*math.Sqrt(1./runs+1./30) {
			t.Errorf("mean %g, null model %+v", measured[i], e)
		}
	}
}

func TestNullModelRefuses(t *testing.T) {
	good := Null{Rows: 4, Cols: 5, Dynamics: Dynamics{2, 3, 1, 0.9}, Eps: 0.1, Draws: 2}
	if r, reason, err := good.Measure(t.Context(), new(analysis.Workspace)); r == nil || reason != "" || err != nil {
		t.Fatal(reason, err)
	}
	for name, spoil := range map[string]func(*Null){
		"one draw": func(n *Null) { n.Draws = 1 }, "rho 1": func(n *Null) { n.Rho = 1 }, "rho 0": func(n *Null) { n.Rho = 0 },
		"no worker": func(n *Null) { n.Workers = 0 }, "long memory": func(n *Null) { n.Rho = 1 - 1e-6 },
		"NaN": func(n *Null) { n.Rho = math.NaN() },
	} {
		n := good
		spoil(&n)
		if r, reason, err := n.Measure(t.Context(), new(analysis.Workspace)); r != nil || reason == "" || err != nil {
			t.Errorf("%s: %v, %q, %v", name, r, reason, err)
		}
	}
	if (Expectation{3, 0}).Z(4) != nil {
		t.Error("z-score without a deviation")
	}
}

// P6.6: V of workers whose gradients are a shard's own plus noise, over many rounds, against the prediction from the same sigma^2
// and zeta^2. Shards are drawn at random, so that zeta^2 is the population's; H* is where both terms are equal.
func TestDivergence(t *testing.T) {
	const size, workers, lr, rounds = 50, 10, 0.1, 400
	for _, s := range []Spread{{4, 0}, {4, 0.5}, {0, 0.5}} {
		for _, h := range []int{1, 5, 40} {
			d := Dynamics{Workers: workers, Steps: h, Batch: 2}
			stream := keyed.New(1, "divergence", uint64(h))
			v := 0.0
			for range rounds {
				models := make([][]float64, workers)
				for k := range models {
					models[k] = make([]float64, size)
					for i := range models[k] {
						own := math.Sqrt(s.Zeta2/size) * stream.Normal()
						noise := math.Sqrt(float64(h)*s.Sigma2/2/size) * stream.Normal() // of h batches of two
						models[k][i] = -lr * (float64(h)*own + noise)
					}
				}
				average := mean(models)
				for _, m := range models {
					for i, x := range m {
						v += (x - average[i]) * (x - average[i]) / workers / rounds
					}
				}
			}
			near(t, "V", v, s.Divergence(lr, d), 0.05)
		}
	}
	steps, _ := Spread{4, 0.5}.Overtaking(2)
	near(t, "H*", *steps, 4, 1e-15)
	near(t, "V at H* is twice that of the noise", Spread{4, 0.5}.Divergence(1, Dynamics{2, 4, 2, 0}), 2*Spread{4, 0}.Divergence(1, Dynamics{2, 4, 2, 0}), 1e-14)
	near(t, "sigma^2", Sigma2(0.5, 8), 4, 1e-15)
	if got := (Spread{4, -1}).Divergence(1, Dynamics{2, 4, 2, 0}); got != (Spread{4, 0}).Divergence(1, Dynamics{2, 4, 2, 0}) {
		t.Errorf("a negative estimate counts: %v", got)
	}
}

// Ranks that are full in every draw have no deviation, and a measured rank no distance from them in deviations.
func TestExpectationOfEqualRanks(t *testing.T) {
	for _, rank := range []float64{9, 10, 32, 127} {
		var draws []float64
		for range 20 {
			draws = append(draws, rank)
		}
		if e := expectation(draws); e.Mean != rank || e.Deviation != 0 || e.Z(rank) != nil {
			t.Errorf("twenty draws of %v: %+v", rank, e)
		}
	}
}
