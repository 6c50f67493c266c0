package deeprelu

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
)

func laboratory(set ...string) *claims.Lab {
	return &claims.Lab{Size: claims.Quick, Specs: os.DirFS("../../../examples/claims"), Threads: 2, Set: set}
}

// shallow makes the networks of the specs smaller, on data that need no loading.
var shallow = []string{"data={synthetic: {gaussian: {train: 100, test: 100, inputs: 20}}}", "shards.limit=100",
	"model.mlp.hidden=[8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]"}

// verdict fails the test unless a claim comes to the verdict.
func verdict(t *testing.T, name string, o *claims.Outcome, err error, want claims.Verdict) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if o.Verdict != want {
		t.Errorf("%s: %s (%s; %s), want %s", name, o.Verdict, o.Measured, o.Why, want)
	}
}

func TestExactClaims(t *testing.T) {
	ctx := context.Background()
	for name, measure := range map[string]measurement{"P2.1": measureExpression, "P2.2": measureJacobian, "P2.3": measureTails} {
		o, err := measure(ctx, laboratory(shallow...))
		verdict(t, name, o, err, claims.Holds)
	}
	o, err := measureNecessary(ctx, laboratory(shallow...))
	verdict(t, "P2.5", o, err, claims.Holds)
}

// TestY1: the distances from the last state of 400 layers, each within a factor of 3 of those of PAPERS.md 2.7.
func TestY1(t *testing.T) {
	s, err := laboratory().Setting("P2.3")
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDeep(s, startOf(s))
	if err != nil {
		t.Fatal(err)
	}
	c := checkTails(d, activity.Depth.Tails)
	if len(c.moved) != 400 || c.worst64.Value() > 1 {
		t.Errorf("%d layers, at most %v of the bound, want 400 layers within it", len(c.moved), c.worst64.Value())
	}
	for n, want := range map[int]float64{1: 0.4, 10: 0.03, 100: 0.001} {
		if got := c.moved[n-1]; got < want/3 || got > want*3 {
			t.Errorf("||x_400 - x_%d|| = %.3g, want %g within a factor of 3", n, got, want)
		}
	}
}

// TestControls: every claim fails under a wrong law, or on networks that it is not about.
func TestControls(t *testing.T) {
	ctx := context.Background()
	allOpen := func(states []*mat.Dense, input int) [][]bool {
		gates := open(states, input)
		for _, layer := range gates {
			for j := range layer {
				layer[j] = true
			}
		}
		return gates
	}
	o, err := expression(laboratory(shallow...), allOpen)
	verdict(t, "P2.1 with all gates open", o, err, claims.Fails)
	o, err = jacobian(laboratory(shallow...), allOpen)
	verdict(t, "P2.2 with all gates open", o, err, claims.Fails)
	o, err = tails(ctx, laboratory(shallow...), func(d activity.Depth, first float64) []float64 {
		for i := range d.Layers {
			d.Layers[i].Spectral *= d.Layers[i].Spectral
		}
		return d.Tails(first)
	})
	verdict(t, "P2.3 with squared norms", o, err, claims.Fails)
	o, err = necessary(laboratory(shallow...), func(s []float64) float64 { return s[0] })
	verdict(t, "P2.5 with the largest singular value", o, err, claims.Fails)
	o, err = rate(ctx, laboratory(append(shallow[:2:2], "model.mlp.hidden="+list(128, 16))...), func(p float64) float64 { return 1 - p })
	verdict(t, "P2.7 with the rate of sums of norms", o, err, claims.Fails)
	o, err = products(ctx, laboratory(shallow...), he)
	verdict(t, "P2.8 without the identity", o, err, claims.Fails)
	o, err = steps(ctx, laboratory(append(shallow[:2:2], "model.mlp.hidden="+list(24, 32))...), "model.init={identity: {}}")
	verdict(t, "P2.4 near the identity", o, err, claims.Fails)
}

// list is a YAML list of so many equal widths.
func list(n, width int) string {
	text := "["
	for i := range n {
		if i > 0 {
			text += ", "
		}
		text += string(rune('0'+width/10)) + string(rune('0'+width%10))
	}
	return text + "]"
}

// TestWideLayers: one layer of 400 units moves states by 1.168 of their norm, to three of its own standard deviations.
func TestWideLayers(t *testing.T) {
	s, err := laboratory(append(shallow[:2:2], "model.mlp.hidden=[400, 400, 400]")...).Setting("P2.4")
	if err != nil {
		t.Fatal(err)
	}
	moved, err := movement(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(moved) != 2 || math.Abs(moved[0]/heStep-1) > 0.1 || math.Abs(moved[1]/heStep-1) > 0.1 {
		t.Errorf("layers move states by %v, want twice about %.3f", moved, heStep)
	}
}

// TestRate: with 256 layers of 16 units the slopes come near 1/2 - p, for the p where the sum of norms diverges as well.
func TestRate(t *testing.T) {
	lab := laboratory(append(shallow[:2:2], "model.mlp.hidden="+list(128, 16))...)
	for _, p := range []float64{0.75, 1.5} {
		curve, err := rateCurve(lab, p, 1)
		if err != nil {
			t.Fatal(err)
		}
		slope, err := logSlope(curve)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(slope-(0.5-p)) > 0.2 {
			t.Errorf("p = %g: slope %.3f, want about %.2f", p, slope, 0.5-p)
		}
	}
}

// TestTrainingOutcome: the verdict follows the accuracies; a start that does not train fails, and so does an average that is farther
// from the identity than its members.
func TestTrainingOutcome(t *testing.T) {
	make2 := func(near, he, sum float64) []history {
		var runs []history
		for _, a := range []float64{near, he, 0.1, near} {
			for j := range 2 {
				runs = append(runs, history{accuracy: []float64{a + 0.001*float64(j)}, sums: []float64{sum}, members: []float64{1}})
			}
		}
		return runs
	}
	for name, c := range map[string]struct {
		near, he, sum float64
		want          claims.Verdict
	}{
		"as in Y2":          {0.86, 0.2, 1, claims.Holds},
		"He trains too":     {0.86, 0.8, 1, claims.Fails},
		"nothing trains":    {0.1, 0.1, 1, claims.Fails},
		"averaging expands": {0.86, 0.2, 1.1, claims.Fails},
	} {
		verdict(t, name, trainingOutcome(make2(c.near, c.he, c.sum), 2), nil, c.want)
	}
}

// TestAveragesWithoutSums: where no network has a distance from the identity, accuracies decide alone, and it is said.
func TestAveragesWithoutSums(t *testing.T) {
	runs := make([]history, 8)
	for i := range runs {
		runs[i] = history{accuracy: []float64{[]float64{0.86, 0.2, 0.1, 0.86}[i/2] + 0.001*float64(i%2)}, sums: []float64{math.NaN()}, members: []float64{math.NaN()}}
	}
	o := trainingOutcome(runs, 2)
	verdict(t, "P2.6 without sums", o, nil, claims.Holds)
	if !strings.Contains(o.Why, "not compared") {
		t.Errorf("the sums that are not there go unnoticed: %s", o.Why)
	}
	verdict(t, "P2.6 without seeds", trainingOutcome(nil, 0), nil, claims.Inconclusive)
}

// TestTraining: near the identity a deep network learns more in a short training than from He's start on average, and averages of
// four shards stay as near the identity as their members.
func TestTraining(t *testing.T) {
	lab := laboratory("data={synthetic: {gaussian: {train: 400, test: 200}}}", "shards.limit=400", "model.mlp.hidden="+list(30, 16), "rounds=3",
		"local.optimizer.sgd.lr=0.03")
	near, err := lab.Setting("P2.6", "shards.count=4")
	if err != nil {
		t.Fatal(err)
	}
	h, err := trainFrom(context.Background(), near)
	if err != nil {
		t.Fatal(err)
	}
	for r, sum := range h.sums {
		if !(sum > 0) || sum > h.members[r]*(1+bound32) || h.members[r] == sum {
			t.Errorf("round %d: the average is %v from the identity, its members %v", r+1, sum, h.members[r])
		}
	}
}

// TestOtherForms: networks of other forms are told so and are no failures.
func TestOtherForms(t *testing.T) {
	o, err := measureExpression(context.Background(), laboratory(shallow[0], shallow[1], "model.mlp.hidden=[8, 9]"))
	verdict(t, "P2.1 of unequal widths", o, err, claims.NotTestable)
	o, err = measureTails(context.Background(), laboratory(shallow[0], shallow[1], "model.mlp.hidden=[8]"))
	verdict(t, "P2.3 of one layer", o, err, claims.NotTestable)
	o, err = measureNecessary(context.Background(), laboratory(append(shallow, "shards.limit=5")...))
	verdict(t, "P2.5 with too few examples", o, err, claims.NotTestable)
}
