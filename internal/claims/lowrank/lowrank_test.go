package lowrank

import (
	"context"
	"math"
	"os"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
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
	if v := out.tails.all().Test(bound32).Verdict; v != claims.Fails {
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
		if v := got.all().Test(bound32).Verdict; v != want {
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

// small are the specs of the trends on a network and data that take no time.
func small(size claims.Size) *claims.Lab {
	return lab(size, "rounds=30", "model={mlp: {hidden: [12, 12]}, init: {kaiming_normal: {}}}", "local.batch=4")
}

// TestTrends: ranks fall with weight decay and, without it, stay; the same analysis fails on each other's runs.
func TestTrends(t *testing.T) {
	ctx := context.Background()
	fall := sweep{id: "P1.2", path: "local.optimizer.sgd.weight_decay", axis: "weight decay", values: []float64{0, 0.01, 0.02, 0.03, 0.05}, falls: true}
	l := small(claims.Quick)
	all, err := endAll(ctx, l, "P1.2", claims.Seeds(3), fall.settings())
	if err != nil {
		t.Fatal(err)
	}
	kept := []int{0, 1, 2, 3, 4}
	if o := fall.decide(all, kept); o.Verdict == claims.Fails {
		t.Errorf("rank over weight decay: %s, %s; %s", o.Verdict, o.Why, fall.table(all))
	}
	rise := fall
	rise.falls = false
	if o := rise.decide(all, kept); o.Verdict != claims.Fails {
		t.Errorf("a rise of rank over weight decay: %s, %s", o.Verdict, o.Why)
	}
	if o := fall.decide(all, kept[:4]); o.Verdict != claims.Inconclusive {
		t.Errorf("four settings: %s", o.Verdict)
	}
	if o := claims.TestTrend(changes(all[4]), claims.Below, keptWithin); o.Verdict == claims.Holds {
		t.Errorf("the eps-rank is kept with weight decay %g: %v", fall.values[4], changes(all[4]))
	}
}

// TestPlateausNeedDecay: series that fall like 1/n are no plateau, constant ones are, and they have to rise with weight decay.
func TestPlateausNeedDecay(t *testing.T) {
	series := func(level float64, falls bool) []*ended {
		var runs []*ended
		for seed := range 3 {
			e := &ended{}
			for n := range 50 {
				v := level * (1 + 0.01*float64(seed))
				if falls {
					v /= float64(n + 1)
				}
				e.dist = append(e.dist, v)
			}
			runs = append(runs, e)
		}
		return runs
	}
	decays := []float64{1, 2, 3, 4, 5}
	for _, c := range []struct {
		name string
		all  func(level float64) []*ended
		want claims.Verdict
	}{
		{"plateaus", func(l float64) []*ended { return series(l, false) }, claims.Holds},
		{"series that fall", func(l float64) []*ended { return series(l, true) }, claims.Fails},
		{"plateaus that fall with weight decay", func(l float64) []*ended { return series(1/l, false) }, claims.Fails},
	} {
		var all [][]*ended
		for _, d := range decays {
			all = append(all, c.all(d))
		}
		if o := decidePlateau(all, decays); o.Verdict != c.want {
			t.Errorf("%s: %s, %s", c.name, o.Verdict, o.Why)
		}
	}
}

// TestOnset: a spectrum that decays exponentially, but for the norm, halves its eps-rank at Lambda_c, and not at twice that.
func TestOnset(t *testing.T) {
	var initial []float64
	for i := range 100 {
		initial = append(initial, 1-float64(i)/100)
	}
	h := halving{eps: 0.01, measured: math.NaN()}
	for n := range 200 {
		lambda := 0.05 * float64(n)
		now := []float64{analysis.Frobenius(initial)} // a direction that stays
		for _, s := range initial {
			now = append(now, s*math.Exp(-lambda))
		}
		h.look(initial, now, lambda)
	}
	if off := worstHalving([]halving{h}, 1); !(off < 0.05) {
		t.Errorf("halved at %g, predicted %g", h.measured, h.predicted)
	}
	if off := worstHalving([]halving{h}, 2); off < onsetWithin {
		t.Errorf("a prediction twice as large is off by %g only", off)
	}
	if !math.IsNaN(worstHalving([]halving{{measured: math.NaN(), predicted: 1}}, 1)) {
		t.Error("a rank that never halved deviates by a number")
	}
}

// TestCollapse: the correlation is lost when Lambda is given to other runs, and the effect of the batch is what was put in.
func TestCollapse(t *testing.T) {
	var lambda, rank, batch, shuffled []float64
	for i := range 12 {
		lambda, batch = append(lambda, 0.1*float64(i+1)), append(batch, float64(int(4)<<(i%3)))
		rank = append(rank, 50-10*math.Log(lambda[i])+0.5*math.Log2(batch[i]))
		shuffled = append(shuffled, lambda[i]*float64(1+(i*7)%12))
	}
	if got := ofBatch(lambda, rank, batch); math.Abs(got-0.5) > 1e-9 {
		t.Errorf("a doubling of the batch adds %g, want 0.5", got)
	}
	if r := claims.Spearman(lambda, rank); r > collapseSpearman {
		t.Errorf("Spearman %g", r)
	}
	if r := claims.Spearman(shuffled, rank); r < collapseSpearman {
		t.Errorf("Spearman of shuffled Lambda %g", r)
	}
}

// TestNothingHoldsOfNothing: a judge without runs, or with nothing but numbers that are none, does not hold.
func TestNothingHoldsOfNothing(t *testing.T) {
	empty := &ended{}
	for name, o := range map[string]*claims.Outcome{
		"P1.2":                   sweeps[1].decide(nil, nil),
		"P1.4":                   claims.TestTrend(changes([]*ended{empty, empty}), claims.Below, keptWithin),
		"P1.5 and P1.6":          worst{}.all().Test(bound32),
		"P1.7":                   (&certified{excess: worst{}}).test(),
		"P1.8":                   claims.All(judgeCosts("", nil, nil)...),
		"P1.8 without a run":     claims.All(judgeCosts("", []float64{math.NaN(), math.NaN()}, []float64{math.NaN(), math.NaN()})...),
		"P1.9":                   decidePlateau([][]*ended{{}}, []float64{1}),
		"P1.9 without rounds":    decidePlateau([][]*ended{{empty, empty}}, []float64{1}),
		"P1.13":                  claims.TestTrend([]float64{worstHalving(nil, 1), worstHalving(nil, 1)}, claims.Below, onsetWithin),
		"P1.13, NaN of Lambda_c": claims.TestTrend([]float64{worstHalving([]halving{{measured: 1, predicted: math.NaN()}}, 1), 0}, claims.Below, onsetWithin),
	} {
		if o.Verdict == claims.Holds {
			t.Errorf("%s of nothing: %s", name, o.Verdict)
		}
	}
}

// TestCostsNeedPairs: runs whose ranks are alike say nothing of ranks apart, and are said to; those that differ decide.
func TestCostsNeedPairs(t *testing.T) {
	runs := func(factor, loss float64) []cut {
		var out []cut
		for seed := range 3 {
			out = append(out, cut{seed, 50, 0.9, 0.9}, cut{seed, 50 * factor, 0.9 - loss - 0.001*float64(seed), 0.9 - loss - 0.001*float64(seed)})
		}
		return out
	}
	for _, c := range []struct {
		name  string
		cuts  []cut
		parts []claims.Verdict
	}{
		{"alike", runs(1.9, 0.2), []claims.Verdict{claims.Holds, claims.NotTestable}},
		{"apart and as good", runs(2, 0.01), []claims.Verdict{claims.Holds, claims.Holds}},
		{"apart and worse", runs(2, 0.2), []claims.Verdict{claims.Holds, claims.Fails}},
		{"none", nil, []claims.Verdict{claims.NotTestable, claims.NotTestable}},
	} {
		for i, o := range costsOf(c.name, c.cuts, 3) {
			if o.Verdict != c.parts[i] {
				t.Errorf("%s: %s (%s), want %s", c.name, o.Verdict, o.Why, c.parts[i])
			}
		}
	}
}

func costsOf(name string, cuts []cut, seeds int) []*claims.Outcome {
	truncated, apart := costs(cuts, seeds)
	return judgeCosts(name, truncated, apart)
}

// TestTruncationWithoutRuns: where no run passes the gate P1.8 decides nothing.
func TestTruncationWithoutRuns(t *testing.T) {
	l := lab(claims.Quick, "data={synthetic: {gaussian: {spread: 0.01, train: 64, test: 64}}}", "shards.limit=64", "rounds=1", "model.mlp.hidden=[8, 8]")
	if o := measure(t, l, "P1.8"); o.Verdict != claims.Inconclusive || o.Gate.Kept != 0 {
		t.Errorf("without a run: %s, gate %+v", o.Verdict, o.Gate)
	}
}

// TestMarginals: pairs that differ in one hyperparameter alone are counted, with the sign that its claim has.
func TestMarginals(t *testing.T) {
	var all [][]*ended
	var kept []int
	for _, b := range []int{4, 8} {
		for _, lr := range []float64{0.1, 0.2} {
			for _, wd := range []float64{1, 2, 4} {
				local := localsgd.Local{SGD: localsgd.SGD{LR: lr, WeightDecay: wd}, Schedule: shard.Schedule{Batch: b}}
				e := &ended{setting: &claims.Setting{Job: &localsgd.Job{Local: local}}}
				n := int(40 - 20*lr*wd + float64(b)) // falls with lr and wd, rises with B
				if b == 8 && lr == 0.2 && wd == 4 {
					n = 50 // but here
				}
				spectrum := make([]float64, n)
				for i := range spectrum {
					spectrum[i] = 1
				}
				e.after = [][]float64{spectrum}
				kept = append(kept, len(all))
				all = append(all, []*ended{e})
			}
		}
	}
	if got, want := marginals(all, kept), "P1.1 (lr) 5 of 6, P1.2 (wd) 10 of 12, P1.3 (B) 6 of 6"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := marginals(all, kept[:1]), "P1.1 (lr) 0 of 0, P1.2 (wd) 0 of 0, P1.3 (B) 0 of 0"; got != want {
		t.Errorf("of one setting: %s, want %s", got, want)
	}
}

// TestTruncation: cutting to the eps-rank changes little, cutting to nothing changes much.
func TestTruncation(t *testing.T) {
	l := lab(claims.Quick, "data={synthetic: {gaussian: {spread: 2}}}", "shards.limit=512", "rounds=5", "model={mlp: {hidden: [24, 24]}}")
	e, err := job{"P1.8", 1, nil}.end(context.Background(), l)
	if err != nil {
		t.Fatal(err)
	}
	change := func(eps float64) float64 {
		model, err := truncated(e, eps)
		if err != nil {
			t.Fatal(err)
		}
		return math.Abs(e.setting.TestAccuracy(model, scored) - e.test)
	}
	if c := change(0.01); c > 0.02 {
		t.Errorf("truncated at 0.01: %g", c)
	}
	if c := change(0.9); c < 0.2 {
		t.Errorf("truncated to nothing: %g only", c)
	}
}
