package splines

import (
	"context"
	"math"
	"os"
	"testing"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/internal/claims"
)

func laboratory(set ...string) *claims.Lab {
	return &claims.Lab{Size: claims.Quick, Specs: os.DirFS("../../../examples/claims"), Threads: 2, Set: set}
}

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
	for name, measure := range map[string]measurement{
		"P5.1": measureVariation, "P5.4": measureApproach, "P5.6": measureSkip, "P5.7": measureLeaky,
	} {
		o, err := measure(ctx, laboratory())
		verdict(t, name, o, err, claims.Holds)
	}
	o, err := notTestable(ctx, laboratory())
	verdict(t, "P5.9", o, err, claims.NotTestable)
}

// TestExactOptimum: the numbers of PAPERS.md E7 for sin 3x at ten points.
func TestExactOptimum(t *testing.T) {
	s, err := laboratory().Setting("P5.4")
	if err != nil {
		t.Fatal(err)
	}
	points, err := pointsOf(s)
	if err != nil {
		t.Fatal(err)
	}
	x, y := dataOf(s)
	near := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got/want-1) > 5e-4 {
			t.Errorf("%s is %.5g, want %.5g", name, got, want)
		}
	}
	near("V", points.Interpolation(true), 11.127)
	slopes := slopesOf(x, y)
	near("S", math.Abs(slopes[0]+slopes[len(slopes)-1]), 5.238)
	near("(V-P)/lambda", rate(x, y), 1215)
	for _, c := range []struct{ lambda, objective, path float64 }{{1e-2, 0.08425, 7.1547}, {1e-3, 0.01052, 9.912}} {
		o, err := points.Solve(c.lambda, true)
		if err != nil {
			t.Fatal(err)
		}
		near("objective", o.Objective, c.objective)
		near("path norm", o.PathNorm, c.path)
	}
}

// TestControls: every claim fails under a wrong law, or where its reason is taken away.
func TestControls(t *testing.T) {
	ctx := context.Background()
	o, err := sameVariation(laboratory(), "P5.1", func(float64) float64 { return 1 }, "model.shallow.activation={leaky_relu: {slope: 0.5}}")
	verdict(t, "P5.1 under leaky ReLU", o, err, claims.Fails)
	o, err = leaky(laboratory(), func(float64) float64 { return 1 })
	verdict(t, "P5.7 without the slope", o, err, claims.Fails)
	o, err = skip(laboratory(), func(p *norm.Points, _ bool) float64 { return p.Interpolation(true) })
	verdict(t, "P5.6 as if there always were a skip connection", o, err, claims.Fails)
	s, err := laboratory().Setting("P5.4")
	if err != nil {
		t.Fatal(err)
	}
	points, err := pointsOf(s)
	if err != nil {
		t.Fatal(err)
	}
	o, err = approach(points, rate(dataOf(s))/2)
	verdict(t, "P5.4 at half the rate", o, err, claims.Fails)
	short := laboratory("rounds=20")
	none := "local.optimizer.sgd.weight_decay=0"
	o, err = balance(ctx, short, none)
	verdict(t, "P5.2 without weight decay", o, err, claims.Fails)
	o, err = objective(ctx, short, none, "regularize.path_norm=0")
	verdict(t, "P5.3 without a penalty", o, err, claims.Fails)
	o, err = knots(ctx, short, none, "regularize.path_norm=0")
	verdict(t, "P5.5 without a penalty", o, err, claims.Fails)
}

// TestUnbalancedAverages: the mean of the members' path norms is no bound where they are not balanced, half their squared weights is.
func TestUnbalancedAverages(t *testing.T) {
	s, err := laboratory("model.shallow.width=2").Setting("P5.8")
	if err != nil {
		t.Fatal(err)
	}
	layout := s.Job.Net.Layout()
	net := func(v, w float32) []float32 {
		block := make([]float32, layout.Size())
		for name, value := range map[string]float32{"0.body.0.weight": w, "0.body.2.weight": v} {
			view, ok := layout.Lookup(name)
			if !ok {
				t.Fatalf("no tensor %s", name)
			}
			for i := range view.Size {
				block[view.Offset+i] = value
			}
		}
		return block
	}
	nets := [][]float32{net(10, 0.1), net(0.1, 10)}
	o, err := averaging(s, nets, func(members []*norm.Univariate, p []float64) float64 { return meanEnergy(members, p) })
	verdict(t, "P5.8", o, err, claims.Holds)
	o, err = averaging(s, nets, func(members []*norm.Univariate, p []float64) float64 {
		return p[0]*members[0].PathNorm() + p[1]*members[1].PathNorm()
	})
	verdict(t, "P5.8 with path norms as the bound", o, err, claims.Fails)
}

// TestSharedTraining: claims whose specs differ in their names only share a training, and the user's changes reach all of them.
func TestSharedTraining(t *testing.T) {
	lab := laboratory("rounds=2", "local.steps=10")
	first, err := train(context.Background(), lab, "P5.2")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"P5.3", "P5.5", "P5.8"} {
		again, err := train(context.Background(), lab, id)
		if err != nil {
			t.Fatal(err)
		}
		if again != first {
			t.Errorf("%s trains for itself", id)
		}
	}
	if steps := first.fits[0].steps; len(steps) != 2 || steps[1] != 20 {
		t.Errorf("steps at the ends of rounds: %v, want 10 and 20", steps)
	}
}
