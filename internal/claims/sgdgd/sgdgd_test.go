package sgdgd

import (
	"context"
	"math"
	"os"
	"testing"

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

// TestZ1: the numbers of PAPERS.md 3.5, 0.99^200, 0.99^100, 0.99^40 and 0.99^20.
func TestZ1(t *testing.T) {
	list, _, err := runArms(context.Background(), laboratory(), "P3.1")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.13398, 0.36603, 0.66897, 0.81791} {
		for name, tr := range map[string]*trace{"float64": list[i].wide, "float32": list[i].narrow} {
			last := len(tr.measured) - 1
			if got := tr.measured[last] / tr.measured[0]; math.Abs(got-want) > 1e-5 {
				t.Errorf("%s in %s: %.6f of the start is left, want %.5f", list[i].name, name, got, want)
			}
		}
	}
}

func TestExactClaims(t *testing.T) {
	ctx := context.Background()
	for name, measure := range map[string]measurement{
		"P3.1": measurePerUpdate, "P3.2": measurePerEpoch, "P3.3": measureRemoved, "P3.5": measureCyclic, "P3.7": measureRounds,
	} {
		o, err := measure(ctx, laboratory())
		verdict(t, name, o, err, claims.Holds)
	}
	small := laboratory("shards.count=4", "shards.limit=400", "participation.fraction=1", "model.mlp.hidden=[10]", "rounds=2")
	o, err := measureColumns(ctx, small)
	verdict(t, "P3.8", o, err, claims.Holds)
}

// TestControls: every claim fails where its reason is taken away.
func TestControls(t *testing.T) {
	ctx, noDecay := context.Background(), "local.optimizer.sgd.weight_decay=0"
	o, err := perUpdate(ctx, laboratory(), "P3.1", noDecay)
	verdict(t, "P3.1 without the decay it predicts", o, err, claims.Fails)
	o, err = perUpdate(ctx, laboratory(), "P3.5", "local.optimizer.sgd.momentum=0.5")
	verdict(t, "P3.5 with momentum", o, err, claims.Fails)
	o, err = perEpoch(ctx, laboratory(), "P3.2", func(_, _ *arm) float64 { return 1 })
	verdict(t, "P3.2 with one rate for all", o, err, claims.Fails)
	o, err = removed(ctx, laboratory(), "seed=1", "model.init={zero: {}}")
	verdict(t, "P3.3 with weight decay", o, err, claims.Fails)
	o, err = removed(ctx, laboratory(), noDecay, "seed=1")
	verdict(t, "P3.3 from a random start", o, err, claims.Fails)
	o, err = rounds(ctx, laboratory(), "local.steps=4")
	verdict(t, "P3.7 with a step less", o, err, claims.Fails)
	o, err = deadColumns(ctx, laboratory("shards.count=4", "shards.limit=200", "participation.fraction=1", "model.mlp.hidden=[10]", "rounds=2"), noDecay)
	verdict(t, "P3.8 without the decay it predicts", o, err, claims.Fails)
}

// TestFluctuationOfTheSame: gradient descent does not fluctuate more than itself.
func TestFluctuationOfTheSame(t *testing.T) {
	lab := laboratory("rounds=2", "shards.limit=32", "model.mlp.hidden=[8, 8]")
	s, err := lab.Setting("P3.4")
	if err != nil {
		t.Fatal(err)
	}
	one, err := lastSteps(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	if !(one.fluctuation > 0) || !(one.step > 0) || len(one.top) != watched {
		t.Fatalf("SGD at a high learning rate has fluctuation %v, steps of %v, %d singular values", one.fluctuation, one.step, len(one.top))
	}
	o := fluctuation([]couple{{one, one}, {one, one}})
	verdict(t, "P3.4 against itself", o, nil, claims.Fails)
	still := &tail{fluctuation: one.fluctuation / 1000, step: one.step}
	o = fluctuation([]couple{{one, still}, {one, still}})
	verdict(t, "P3.4 against what hardly moves", o, nil, claims.Holds)
}

// TestRankWithoutDecay: without weight decay ranks stay full, whoever trains; and what has not trained is not compared.
func TestRankWithoutDecay(t *testing.T) {
	o, err := equalEpochs(context.Background(), laboratory("rounds=150", "shards.limit=64", "model.mlp.hidden=[16, 16]"), "local.optimizer.sgd.weight_decay=0")
	if err != nil {
		t.Fatal(err)
	}
	if o.Verdict == claims.Holds || o.Gate.Kept == 0 {
		t.Errorf("without weight decay: %s (%s), gate %+v", o.Verdict, o.Measured, o.Gate)
	}
	o, err = equalEpochs(context.Background(), laboratory("rounds=1", "shards.limit=64", "model.mlp.hidden=[16, 16]"), "seed=1")
	if err != nil {
		t.Fatal(err)
	}
	if o.Verdict != claims.Inconclusive || o.Gate.Dropped != 3 {
		t.Errorf("after one epoch: %s, gate %+v, want inconclusive with three pairs dropped", o.Verdict, o.Gate)
	}
}

// TestColumnsNotTestable: centred inputs have no columns without a gradient, and momentum no law.
func TestColumnsNotTestable(t *testing.T) {
	noise := "data={synthetic: {gaussian: {train: 50}}}"
	o, err := measureColumns(context.Background(), laboratory(noise, "shards.count=5"))
	verdict(t, "P3.8 without dead inputs", o, err, claims.NotTestable)
	o, err = measureColumns(context.Background(), laboratory("shards.limit=200", "local.optimizer.sgd.momentum=0.9"))
	verdict(t, "P3.8 with momentum", o, err, claims.NotTestable)
	o, err = measureColumns(context.Background(), laboratory("shards.limit=200", "server={fedavgm: {}}"))
	if verdict(t, "P3.8 of another rule", o, err, claims.NotTestable); o.Why != "the law is not implemented for the rule fedavgm" {
		t.Errorf("another rule: %q", o.Why)
	}
	o, err = measureColumns(context.Background(), laboratory("shards.limit=200", "model={cnn: {}}"))
	verdict(t, "P3.8 of a convolution", o, err, claims.NotTestable)
}

// TestNothingHoldsOfNothing: without weights, arms or pairs to compare there is no verdict.
func TestNothingHoldsOfNothing(t *testing.T) {
	ctx, small := context.Background(), laboratory("shards.count=4", "shards.limit=200", "model.mlp.hidden=[10]", "rounds=2", "model.init={zero: {}}")
	o, err := measureColumns(ctx, small)
	verdict(t, "P3.8 from a zero start", o, err, claims.NotTestable)
	o, err = measurePerEpoch(ctx, laboratory("local.batch=10"))
	verdict(t, "P3.2 of gradient descent alone", o, err, claims.NotTestable)
	verdict(t, "rounds without a comparison", exact(claims.Worst{}, claims.Worst{}), nil, claims.NotTestable)
	verdict(t, "P3.4 without pairs", fluctuation(nil), nil, claims.Inconclusive)
	verdict(t, "P3.6 without pairs", rankOutcome(nil), nil, claims.Inconclusive)
	diverged := &trace{measured: []float64{1, math.NaN()}, predicted: []float64{1, 0.9}, whole: []float64{1, math.NaN()}}
	verdict(t, "a run that diverged", exact(diverged.worst(outsideFloor), claims.Worst{}), nil, claims.Fails)
}

// TestMovement: the grid is drawn, and runs that have not trained are counted out.
func TestMovement(t *testing.T) {
	lab := laboratory("data={synthetic: {gaussian: {train: 64}}}", "model.mlp.hidden=[8, 8]", "shards.limit=64", "rounds=3")
	o, err := measureMovement(context.Background(), lab)
	verdict(t, "P3.9", o, err, claims.Shown)
	if o.Gate.Kept+o.Gate.Dropped != 48 || len(lab.Tables()) != 1 || len(lab.Tables()[0].Rows) != 48 || len(lab.Figures()) != 1 {
		t.Errorf("P3.9 has gate %+v, %d tables and %d figures, want 48 runs in one of each", o.Gate, len(lab.Tables()), len(lab.Figures()))
	}
}
