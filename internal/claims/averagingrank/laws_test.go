package averagingrank

import (
	"context"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
)

// TestCrossover: in a small matrix the ranks cross where the law says, and not where another law does; without a signal the law
// says nothing.
func TestCrossover(t *testing.T) {
	d := signalAndNoise{randomGradients{theory.Dynamics{Workers: 4, Steps: 60, Batch: 1, Rho: 0.8}, 96, 96, 1}, 0.05}
	c, err := d.crossing()
	if err != nil {
		t.Fatal(err)
	}
	if off := worstCrossing([]crossing{c}, 1); off > crossoverWithin {
		t.Errorf("measured %g, law %g", c.measured, c.law)
	}
	if off := worstCrossing([]crossing{c}, 2); off < crossoverWithin {
		t.Errorf("twice the law is off by %g only: measured %g, law %g", off, c.measured, c.law)
	}
}

// TestCrossoverFindsTheCrossing: spectra made by hand, where the average has more small directions and fewer large ones.
func TestCrossoverFindsTheCrossing(t *testing.T) {
	average, local := []float64{1}, []float64{1}
	for range 40 {
		average = append(average, 0.01)
	}
	for range 10 {
		local = append(local, 0.03)
	}
	at := crossover(average, local, 1e-3, 0.5)
	if want := 0.01 / math.Sqrt(1+40*1e-4); at < 0.95*want || at > 1.05*want {
		t.Errorf("crossing at %g, want %g", at, want)
	}
}

// TestSynchronousIsOneWorker: one local step on equal shards is a step of one worker on all of their examples, which is what the
// grid runs for H = 1.
func TestSynchronousIsOneWorker(t *testing.T) {
	small := lab(claims.Quick, "data={synthetic: {gaussian: {inputs: 12}}}", "shards.limit=64", "model.mlp.hidden=[9, 9]", "local.batch=0", "local.order=sequential", "local.steps=1")
	run := func(count string) []float32 {
		s, err := small.Setting("P1.12c", count)
		if err != nil {
			t.Fatal(err)
		}
		model, err := s.Runner().Run(context.Background(), 20, nil)
		if err != nil {
			t.Fatal(err)
		}
		return model
	}
	four, one := run("shards.count=4"), run("shards.count=1")
	if d := claims.Distance(four, one) / length(one); d > 1e-5 {
		t.Errorf("four workers and one differ by %g", d)
	}
	if d := claims.Distance(four, run("shards.count=2")) / length(one); d == 0 {
		t.Error("four workers and two agree in every bit: the shards were not used")
	}
}

// gridOf makes the runs of a small grid whose effective ranks are those of ranks(net, H); members' are by apart larger.
func gridOf(rank func(net string, h int) int, apart int) []*trained {
	var out []*trained
	for _, net := range []string{plain, layerNorm} {
		for _, h := range []int{0, 1, 100, 1000} { // 0: a single worker
			for seed := uint64(1); seed <= 5; seed++ {
				r := &trained{cell: cell{net: net, workers: 8, steps: h, batch: 4, decay: 1e-3, seed: seed}, trainAccuracy: 0.95}
				r.average = flat(rank(net, h), 0.001*float64(seed))
				if h == 0 {
					r.workers, r.steps = 1, 1
				}
				if h > 1 {
					r.members = [][]float64{flat(rank(net, h)+apart, 0.001*float64(seed))}
				}
				out = append(out, r)
			}
		}
	}
	return out
}

// flat returns a spectrum of effective rank about n.
func flat(n int, extra float64) []float64 {
	s := make([]float64, 40)
	for i := range n {
		s[i] = 1
	}
	s[n] = extra
	return s
}

// TestNothingHoldsOfNothing: without runs nothing is decided.
func TestNothingHoldsOfNothing(t *testing.T) {
	var v verdicts
	if o := v.outcome(); o.Verdict != claims.Inconclusive {
		t.Errorf("networks without comparisons: %s", o.Verdict)
	}
	if off := worstDeviation(nil, 1); !math.IsNaN(off) {
		t.Errorf("no rank deviates from the law by %v", off)
	}
	if o := (&certified{average: math.Inf(-1), local: math.Inf(-1)}).test(); o.Verdict != claims.NotTestable {
		t.Errorf("no certificate: %s", o.Verdict)
	}
	if d := worstOf([]drifted{{steps: 1}}); d.N() > 0 {
		t.Errorf("H = 1 deviates from itself by %v", d.Value())
	}
}

// TestComparisonsOfNetworks: lines over H as claimed hold, and those of the other direction fail.
func TestComparisonsOfNetworks(t *testing.T) {
	between := map[int]int{0: 20, 1: 10, 100: 12, 1000: 13}
	falling := map[int]int{0: 20, 1: 18, 100: 12, 1000: 10}
	rising := map[int]int{0: 20, 1: 18, 100: 22, 1000: 25}
	spread := 0.0 // of the step to H = 100, over seeds
	verdict := func(inPlain, inNormed map[int]int) claims.Verdict {
		runs := gridOf(func(net string, h int) int {
			if net == plain {
				return inPlain[h]
			}
			return inNormed[h]
		}, 1)
		for _, r := range runs {
			if r.net == layerNorm && r.steps == 100 {
				r.average = flat(inNormed[100], spread*float64(r.seed))
			}
		}
		groups := groupsOf(runs)
		var v verdicts
		for _, single := range groups {
			if single.workers == 1 {
				compareLine(&v, single, lineOf(groups, single))
			}
		}
		return v.outcome().Verdict
	}
	if v := verdict(between, falling); v != claims.Holds {
		t.Errorf("as claimed: %s", v)
	}
	if v := verdict(between, map[int]int{0: 20, 1: 12, 100: 12, 1000: 10}); v != claims.Holds {
		t.Errorf("level from H = 1 to 100: %s", v)
	}
	spread = 0.15
	if v := verdict(between, map[int]int{0: 20, 1: 12, 100: 12, 1000: 10}); v != claims.Inconclusive {
		t.Errorf("a step that no seed agrees on: %s, want inconclusive", v)
	}
	spread = 0.001
	if v := verdict(between, rising); v != claims.Fails {
		t.Errorf("rising in LayerNorm networks: %s", v)
	}
	if v := verdict(rising, falling); v != claims.Fails {
		t.Errorf("above the single worker in plain networks: %s", v)
	}
}
