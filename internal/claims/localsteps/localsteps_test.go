package localsteps

import (
	"math"
	"os"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
)

func laboratory() *claims.Lab {
	return &claims.Lab{Specs: os.DirFS("../../../examples/claims"), Threads: 2, Say: func(string, ...any) {}}
}

func TestLossFallsInAStraightLine(t *testing.T) {
	line, bent, flat := &history{}, &history{}, &history{}
	for r := range 60 {
		line.Loss = append(line.Loss, math.Exp(-0.1*float64(r)))
		bent.Loss = append(bent.Loss, math.Exp(-float64(r*r*r)/20000)*(1+0.8*math.Sin(float64(r))))
		flat.Loss = append(flat.Loss, 1)
	}
	if r := fit(line.Loss); r < 0.999 {
		t.Errorf("a geometric loss has R^2 %v", r)
	}
	if v := judgeGeometric([]*history{line, line, line}).Verdict; v != claims.Holds {
		t.Errorf("geometric losses: %s", v)
	}
	short := &history{Loss: line.Loss[:40]}
	if v := judgeGeometric([]*history{short, short, short}).Verdict; v != claims.Fails {
		t.Errorf("a loss that stops at 2%%: %s, want fails", v)
	}
	for name, h := range map[string]*history{"a loss that stays": flat, "a loss that jumps": bent} {
		if v := judgeGeometric([]*history{h, h, h}).Verdict; v != claims.Fails {
			t.Errorf("%s: %s, want fails (R^2 %v)", name, v, fit(h.Loss))
		}
	}
}

func TestControlOfBoundedDrift(t *testing.T) {
	steady, rising := &history{Drift: []float64{1, 1.2, 0.8}}, &history{Drift: []float64{1, 2, 4}}
	if v := judgeBounded([]*history{steady, steady, steady}).Verdict; v != claims.Holds {
		t.Errorf("steady drift: %s", v)
	}
	if v := judgeBounded([]*history{rising, rising, rising}).Verdict; v != claims.Fails {
		t.Errorf("rising drift: %s, want fails", v)
	}
}

// TestInequality: it holds on a round of T1, and a tenth of its bound does not.
func TestInequality(t *testing.T) {
	var splits []*activity.Split
	for _, width := range []int{32, 512} {
		s, err := firstRound[float64](t.Context(), laboratory(), variant{width, 10, t1Eta}, 1)
		if err != nil {
			t.Fatal(err)
		}
		splits = append(splits, s...)
	}
	o, worst := judgeInequality(splits, 1, exact64)
	if o.Verdict != claims.Holds || worst <= 0 {
		t.Errorf("the inequality %s, largest drift/bound %v", o.Verdict, worst)
	}
	if o, _ := judgeInequality(splits, worst/2, exact64); o.Verdict != claims.Fails {
		t.Errorf("half of what is needed: %s, want fails", o.Verdict)
	}
}

// TestNothingHoldsOfNothing: without rounds, seeds or models to compare nothing holds.
func TestNothingHoldsOfNothing(t *testing.T) {
	empty := []*history{{}, {}}
	unequal, _ := judgeInequality(nil, 1, exact64)
	none := [][]float64{nil, nil}
	for name, o := range map[string]*claims.Outcome{
		"P6.1": judgeGeometric(empty), "P6.2": judgeBounded(empty), "P6.3": judgeSmoothness([][]slopes{make([]slopes, 4), make([]slopes, 4)}),
		"P6.4": unequal, "P6.6": judgeGrowth([]grown{{arm: arms[0], v: none}}), "P6.6 without arms": judgeGrowth(nil),
		"P6.9": judgeLinear(nil), "P6.9 without rounds": judgeLinear([]*regression{{factor: 0.5}}), "P6.9, singular": judgeLinear([]*regression{{factor: math.NaN()}}),
		"P6.8": judgeHeterogeneous([2][][]float64{none, none}), "P6.8 without seeds": judgeHeterogeneous([2][][]float64{}),
	} {
		if o.Verdict == claims.Holds {
			t.Errorf("%s of nothing: %s", name, o.Verdict)
		}
	}
}

// TestFlipsOfT1 compares with the flip fractions that are known for the first round at H = 10 (0.0174 and 0.0022, within a half).
func TestFlipsOfT1(t *testing.T) {
	for width, want := range map[int]float64{32: 0.0174, 2048: 0.0022} {
		sum, n := 0.0, 0
		for seed := uint64(1); seed <= 3; seed++ {
			splits, err := firstRound[float64](t.Context(), laboratory(), variant{width, 10, t1Eta}, seed)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range splits {
				sum, n = sum+s.Flips, n+1
			}
		}
		if got := sum / float64(n); got < want/2 || got > 1.5*want {
			t.Errorf("width %d: %.4f of the gates flip in the first round, want about %.4f", width, got, want)
		}
	}
}

func flipGrid(flips func(width, steps int, eta float64) float64) []*corner {
	var grid []*corner
	add := func(m, h int, eta float64) {
		c := &corner{variant: variant{m, h, eta}, seeds: 3}
		for seed := range 3 {
			c.splits = append(c.splits, &activity.Split{Flips: flips(m, h, eta) * (1 + 0.01*float64(seed))})
		}
		grid = append(grid, c)
	}
	for _, m := range t1Widths {
		for _, h := range t1Steps {
			add(m, h, t1Eta)
		}
		add(m, halvedAt, t1Eta/2)
	}
	return grid
}

func flipVerdict(flips func(width, steps int, eta float64) float64) *claims.Outcome {
	parts, _ := judgeFlipping(flipGrid(flips))
	return claims.All(parts...)
}

func TestControlsOfFlips(t *testing.T) {
	law := func(m, h int, eta float64) float64 { return eta * float64(h) / math.Sqrt(float64(m)) / 100 }
	if o := flipVerdict(law); o.Verdict != claims.Holds {
		t.Errorf("flips by the law: %s (%s)", o.Verdict, o.Why)
	}
	for name, f := range map[string]func(int, int, float64) float64{
		"without width":  func(_, h int, eta float64) float64 { return eta * float64(h) / 100 },
		"without steps":  func(m, _ int, eta float64) float64 { return eta / math.Sqrt(float64(m)) },
		"falling in H":   func(m, h int, eta float64) float64 { return eta / math.Sqrt(float64(m)) / float64(h) },
		"falling in eta": func(m, h int, eta float64) float64 { return float64(h) / eta / math.Sqrt(float64(m)) / 1000 },
		"steep for one step": func(m, h int, eta float64) float64 {
			if h == 1 {
				return law(m, h, eta) / float64(m)
			}
			return law(m, h, eta)
		},
	} {
		if o := flipVerdict(f); o.Verdict == claims.Holds {
			t.Errorf("flips %s: holds", name)
		}
	}
}

// TestFlipsWithoutLogarithm: where no gate flips at a width the slope at that H is not tested, and is named; none at all tests nothing.
func TestFlipsWithoutLogarithm(t *testing.T) {
	o := flipVerdict(func(m, h int, eta float64) float64 {
		if h == 1 && m == 32 {
			return 0
		}
		return eta * float64(h) / math.Sqrt(float64(m)) / 100
	})
	if o.Verdict != claims.Holds || !strings.Contains(o.Why, "not compared: slope over the width at H = 1") {
		t.Errorf("without flips at H = 1: %s, %s", o.Verdict, o.Why)
	}
	if o := flipVerdict(func(int, int, float64) float64 { return 0 }); o.Verdict != claims.NotTestable {
		t.Errorf("without flips: %s", o.Verdict)
	}
}

// TestInequalityInFloat32: single precision measures the drift that double precision does, to its rounding.
func TestInequalityInFloat32(t *testing.T) {
	v := variant{32, 10, t1Eta}
	wide, err := firstRound[float64](t.Context(), laboratory(), v, 1)
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := firstRound[float32](t.Context(), laboratory(), v, 1)
	if err != nil {
		t.Fatal(err)
	}
	for k := range wide {
		if wide[k].Drift == narrow[k].Drift || math.Abs(wide[k].Drift/narrow[k].Drift-1) > 1e-4 {
			t.Errorf("shard %d: drift %v in float64, %v in float32", k, wide[k].Drift, narrow[k].Drift)
		}
	}
	o, worst := judgeInequality(narrow, 1, exact32)
	if o.Verdict != claims.Holds {
		t.Errorf("in float32: %s", o.Why)
	}
	if o, _ := judgeInequality(narrow, worst/2, exact32); o.Verdict != claims.Fails {
		t.Errorf("half of what is needed: %s, want fails", o.Verdict)
	}
}

// TestFlipsOnMNIST: more steps flip more gates, and some flip.
func TestFlipsOnMNIST(t *testing.T) {
	small := laboratory()
	small.Set = []string{"shards.limit=200"}
	few, err := flipsOfMNIST(t.Context(), small, 16, []string{"local.steps=1"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	many, err := flipsOfMNIST(t.Context(), small, 16, []string{"local.steps=50"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !(few > 0) || !(many > 2*few) || many > 0.5 {
		t.Errorf("one step flips %v of the gates, fifty %v", few, many)
	}
}

func TestControlOfGrowth(t *testing.T) {
	made := func(slope float64) []grown {
		var out []grown
		for _, a := range arms {
			g := grown{arm: a}
			for range 3 {
				var v []float64
				for _, h := range t2Steps {
					v = append(v, math.Pow(float64(h), slope))
				}
				g.v = append(g.v, v)
			}
			if a.slope == 1 {
				for k := range g.v {
					for i, h := range t2Steps {
						g.v[k][i] = math.Pow(float64(h), slope/2)
					}
				}
			}
			out = append(out, g)
		}
		return out
	}
	if v := judgeGrowth(made(2)).Verdict; v != claims.Holds {
		t.Errorf("divergence by the law: %s", v)
	}
	if v := judgeGrowth(made(1)).Verdict; v != claims.Fails {
		t.Errorf("linear divergence everywhere: %s, want fails", v)
	}
}

func TestControlOfHeterogeneity(t *testing.T) {
	small, large := [][]float64{{1, 1.1}, {1, 1}, {1.1, 1}}, [][]float64{{5, 6}, {6, 6}, {5, 5}}
	if v := judgeHeterogeneous([2][][]float64{small, large}).Verdict; v != claims.Holds {
		t.Errorf("more drift on uneven shards: %s", v)
	}
	if v := judgeHeterogeneous([2][][]float64{large, small}).Verdict; v != claims.Fails {
		t.Errorf("less drift on uneven shards: %s, want fails", v)
	}
}

func TestControlOfSmoothness(t *testing.T) {
	seed := func(relu, control float64) []slopes {
		return []slopes{{values: []float64{1, relu}}, {values: []float64{1}}, {values: []float64{1, control}}, {values: []float64{1}}}
	}
	all := func(relu, control float64) [][]slopes {
		return [][]slopes{seed(relu, control), seed(relu+0.01, control), seed(relu-0.01, control)}
	}
	if v := judgeSmoothness(all(0.5, 1.01)).Verdict; v != claims.Holds {
		t.Errorf("rough ReLU, smooth controls: %s", v)
	}
	if v := judgeSmoothness(all(0.99, 1.01)).Verdict; v != claims.Fails {
		t.Errorf("smooth ReLU: %s, want fails", v)
	}
	if v := judgeSmoothness(all(0.5, 1.2)).Verdict; v != claims.Fails {
		t.Errorf("rough controls: %s, want fails", v)
	}
}

func TestSlopesOfSmoothNetworks(t *testing.T) {
	for a, rough := range map[int]bool{0: true, 2: false, 3: false} {
		s, err := measureSlopes(laboratory(), a, 1)
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for _, v := range s.values {
			worst = max(worst, math.Abs(v-1))
		}
		if (worst > 0.1) != rough {
			t.Errorf("%s is up to %.3f away from slope 1", s.name, worst)
		}
	}
}

func TestLinearLaw(t *testing.T) {
	short := laboratory()
	short.Set = []string{"rounds=20"}
	for _, steps := range []int{1, 50} {
		r, err := regress(t.Context(), short, steps, steps)
		if err != nil {
			t.Fatal(err)
		}
		if o := judgeLinear([]*regression{r}); o.Verdict == claims.Fails {
			t.Errorf("H = %d: %s: %s", steps, o.Verdict, o.Why)
		}
	}
	right, err := regress(t.Context(), short, 5, 5)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*regression){
		"r'Sr above the factor's powers": func(r *regression) { r.above.Add(1e-6) },
		"a factor of 1":                  func(r *regression) { r.factor = 1 },
	} {
		r := *right
		change(&r)
		if v := judgeLinear([]*regression{&r}).Verdict; v != claims.Fails {
			t.Errorf("%s: %s, want fails", name, v)
		}
	}
	wrong, err := regress(t.Context(), short, 5, 6)
	if err != nil {
		t.Fatal(err)
	}
	if v := judgeLinear([]*regression{wrong}).Verdict; v != claims.Fails {
		t.Errorf("the law of another H: %s, want fails", v)
	}
}

// TestLawOfOneShard: with one shard and one step S is eta/n times the identity.
func TestLawOfOneShard(t *testing.T) {
	l := &law{g: mat.NewSymDense(2, []float64{2, 1, 1, 3}), sizes: []int{2}, step: 0.25}
	l.prepare(1)
	for i := range 2 {
		for j := range 2 {
			want := 0.0
			if i == j {
				want = 0.125
			}
			if got := l.s.At(i, j); math.Abs(got-want) > 1e-14 {
				t.Errorf("S[%d][%d] = %v, want %v", i, j, got, want)
			}
		}
	}
	// G has the eigenvalues (5 +- sqrt 5)/2, and G S those times 1/8.
	if got, want := l.factor(), 1-(5-math.Sqrt(5))/16; math.Abs(got-want) > 1e-12 {
		t.Errorf("asymptotic factor %v, want %v", got, want)
	}
}
