package entropy

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

func laboratory() *claims.Lab {
	return &claims.Lab{Specs: os.DirFS("../../../examples/claims"), Threads: 2, Say: func(string, ...any) {}}
}

// falling values of a statistic by slope, with noise that has no slope.
func made(slopes []float64, value func(slope float64) float64) table {
	t := table{slopes: slopes}
	for i, a := range slopes {
		var row []float64
		for k := range 6 {
			row = append(row, value(a)+0.001*math.Sin(float64(7*i+13*k)))
		}
		t.values = append(t.values, row)
	}
	return t
}

// reversed has the values of the other end of the slopes: what no claim may survive.
func reversed(t table) table {
	out := table{slopes: t.slopes, values: slices.Clone(t.values)}
	slices.Reverse(out.values)
	return out
}

func TestControlsBySlope(t *testing.T) {
	falls := func(a float64) float64 { return 0.95 - 0.05*a }
	for name, c := range map[string]struct {
		judge func(table) *claims.Outcome
		data  table
	}{
		"P4.1": {judgeWide, made(wideSlopes, falls)},
		"P4.2": {judgeNarrow, made(narrowSlopes, func(a float64) float64 { return 0.88 + 0.05*a })},
		"P4.3": {judgeRegression, made(regressionSlopes, func(a float64) float64 { return 0.01 + a })},
		"P4.8": {judgeTransfer, made(transferSlopes, func(a float64) float64 { return 0.1 - 0.05*a })},
	} {
		if v := c.judge(c.data).Verdict; v != claims.Holds {
			t.Errorf("%s on what it says: %s", name, v)
		}
		if v := c.judge(reversed(c.data)).Verdict; v != claims.Fails {
			t.Errorf("%s on the contrary: %s, want fails", name, v)
		}
	}
}

func TestControlOfTracking(t *testing.T) {
	x := made(wideSlopes[:6], func(a float64) float64 { return a })
	if o, r := judgeTracking(x, made(wideSlopes[:6], func(a float64) float64 { return 1 - a })); o.Verdict != claims.Holds || r > -0.7 {
		t.Errorf("a loss that falls as entropy is lost: %s with %v", o.Verdict, r)
	}
	unrelated := made(wideSlopes[:6], func(a float64) float64 { return math.Sin(40 * a) })
	if o, r := judgeTracking(x, unrelated); o.Verdict == claims.Holds {
		t.Errorf("an unrelated loss: %s with %v", o.Verdict, r)
	}
}

// profile makes trainings whose entropy is given by slope, epoch and layer.
func profile(h func(slope float64, epoch, layer int) float64) [][]*trial {
	var out [][]*trial
	for _, a := range profileSlopes {
		var row []*trial
		for k := range 3 {
			t := &trial{}
			for epoch := range 4 {
				var layers []float64
				for layer := range wideLayers + 1 {
					layers = append(layers, h(a, epoch, layer)+0.0001*float64(k))
				}
				t.Entropy = append(t.Entropy, layers)
			}
			row = append(row, t)
		}
		out = append(out, row)
	}
	return out
}

func TestControlsOfProfiles(t *testing.T) {
	lost := func(a float64, layer int) float64 {
		if layer == wideLayers {
			return 0.01
		}
		return 0.05*float64(layer+1) - 0.1*a*float64(layer+1)/4
	}
	said := func(a float64, epoch, layer int) float64 {
		return (6 + a) * (1 - lost(a, layer)*float64(epoch)/3)
	}
	contrary := func(a float64, epoch, layer int) float64 {
		return (7 - a) * (0.8 + (0.1+a/4)*lost(0, min(layer, 3))*float64(epoch))
	}
	for name, judge := range map[string]func([][]*trial) *claims.Outcome{"P4.4": judgeRising, "P4.5": judgeFalling, "P4.6": judgeSharpest} {
		if o := judge(profile(said)); o.Verdict != claims.Holds {
			t.Errorf("%s on what it says: %s (%s)", name, o.Verdict, o.Why)
		}
		if name == "P4.6" {
			continue
		}
		if o := judge(profile(contrary)); o.Verdict != claims.Fails {
			t.Errorf("%s on the contrary: %s (%s), want fails", name, o.Verdict, o.Why)
		}
	}
	flipped := profile(func(a float64, epoch, layer int) float64 { return said(0.4-a, epoch, layer) })
	if o := judgeSharpest(flipped); o.Verdict != claims.Fails {
		t.Errorf("P4.6 with the slopes exchanged: %s, want fails", o.Verdict)
	}
}

// TestOnlyAQuickLookIsTooShort: P4.5 and P4.6 can be decided at every size but the quick one.
func TestOnlyAQuickLookIsTooShort(t *testing.T) {
	for _, size := range []claims.Size{claims.Quick, claims.Medium, claims.Full} {
		lab := laboratory()
		lab.Size = size
		s, err := lab.Spec("P4.4", profileSize(lab)...)
		if err != nil {
			t.Fatal(err)
		}
		updates := s.Rounds * (s.Shards.Limit / s.Local.Schedule.Batch)
		if enough := updates >= leastUpdates; enough != (size != claims.Quick) {
			t.Errorf("size %d makes %d updates, and %d are asked for", size, updates, leastUpdates)
		}
	}
}

func TestTooFewUpdatesDecideNothing(t *testing.T) {
	trials := [][]*trial{{{Updates: leastUpdates - 1}}}
	if v := settled(trials, claims.TestBound(0, 1)).Verdict; v != claims.Inconclusive {
		t.Errorf("after %d updates: %s", leastUpdates-1, v)
	}
	trials[0][0].Updates++
	if v := settled(trials, claims.TestBound(0, 1)).Verdict; v != claims.Holds {
		t.Errorf("after %d updates: %s", leastUpdates, v)
	}
}

// TestBothHalvesJudge: a slope that is better on the half that chose it alone is no better.
func TestBothHalvesJudge(t *testing.T) {
	lucky := table{slopes: []float64{0, 0.1, 0.2}, values: make([][]float64, 3)}
	for k := range 10 {
		noise := 0.001 * float64(k%3)
		first := 0.0
		if k < 5 {
			first = 1
		}
		for i, v := range []float64{0.5, 0.2 + 0.6*first, 0.8 - 0.6*first} { // each slope shines on one half
			lucky.values[i] = append(lucky.values[i], v+noise*float64(i))
		}
	}
	if v := judgeNarrow(lucky).Verdict; v != claims.Fails {
		t.Errorf("slopes that shine where they are chosen: %s, want fails", v)
	}
	if o := judgeNarrow(made(narrowSlopes, func(a float64) float64 { return 0.8 + 0.1*a })); o.Verdict != claims.Holds || o.Seeds != len(made(narrowSlopes, func(float64) float64 { return 1 }).values[0]) {
		t.Errorf("slopes above 0 that are better: %s of %d seeds", o.Verdict, o.Seeds)
	}
}

// TestShapes: the wider network has a part in the verdict, the other shapes have none, and all are tabulated.
func TestShapes(t *testing.T) {
	lab := laboratory()
	lab.Set = []string{"shards.limit=128", "rounds=1", "local.steps=1"}
	held := claims.TestBound(0, 1)
	o, err := wider(t.Context(), lab, held)
	if err != nil {
		t.Fatal(err)
	}
	if o.Verdict == claims.Holds {
		t.Errorf("after one step: %s (%s)", o.Verdict, o.Measured)
	}
	if err := shapes(t.Context(), lab, held); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(held.Measured, "E, diamond") || len(lab.Tables()) != 5 || held.Verdict != claims.Holds {
		t.Errorf("%d tables, %s: %s", len(lab.Tables()), held.Verdict, held.Measured)
	}
}

// TestNothingHoldsOfNothing: without seeds, or without the slopes that a part compares, nothing holds.
func TestNothingHoldsOfNothing(t *testing.T) {
	none := made(wideSlopes, func(float64) float64 { return 1 })
	for i := range none.values {
		none.values[i] = nil
	}
	tracked, _ := judgeTracking(none, none)
	empty := make([][]*trial, len(profileSlopes))
	for name, o := range map[string]*claims.Outcome{
		"P4.1": judgeWide(none), "P4.2": judgeNarrow(none), "P4.3": judgeRegression(none), "P4.4": judgeRising(empty), "P4.5": judgeFalling(empty),
		"P4.6": judgeSharpest(empty), "P4.7": judgeDepth(empty), "P4.8": judgeTransfer(none), "P4.9": tracked,
	} {
		if o.Verdict == claims.Holds {
			t.Errorf("%s of nothing: %s", name, o.Verdict)
		}
	}
}

func TestControlOfDepth(t *testing.T) {
	depths := func(h ...float64) [][]*trial {
		var out [][]*trial
		for _, v := range h {
			out = append(out, []*trial{{Entropy: [][]float64{{v, v}}}, {Entropy: [][]float64{{v + 0.01}}}, {Entropy: [][]float64{{v - 0.01}}}})
		}
		return out
	}
	if v := judgeDepth(depths(7.4, 7.1, 7.2)).Verdict; v != claims.Holds {
		t.Errorf("less entropy with depth: %s", v)
	}
	if v := judgeDepth(depths(7.1, 7.4, 7.2)).Verdict; v != claims.Fails {
		t.Errorf("more entropy with three layers: %s, want fails", v)
	}
}

// TestEntropyAtInit compares with the values that P4's estimator has on Gaussian pre-activations (V1), width 256, 128 and 32.
func TestEntropyAtInit(t *testing.T) {
	want := map[string][]float64{ // by slope: layers 1, 2, 5
		"relu: {}": {7.20, 7.06, 6.59}, "leaky_relu: {slope: 0.1}": {8.15, 8.05, 7.55}, "leaky_relu: {slope: 0.4}": {8.59, 8.46, 7.80},
	}
	for activation, values := range want {
		s, err := laboratory().Setting("P4.4", "shards.limit=256", "model.mlp.activation={"+activation+"}")
		if err != nil {
			t.Fatal(err)
		}
		machine := relu.NewMachine[float32](s.Job.Net, 256)
		entropies := activity.NewEntropies(s.Job.Net)
		machine.Watch(entropies)
		batch := localsgd.Fill(machine, s.Job.Data.Train, s.Job.Shards[0])
		machine.Evaluate(s.Job.Start(), batch)
		layers := entropies.Layers()
		for i, layer := range []int{0, 1, 4} {
			if got := *layers[layer].Entropy; math.Abs(got-values[i]) > 0.3 {
				t.Errorf("%s: hidden layer %d has entropy %.2f at the start, want %.2f within 0.3", activation, layer+1, got, values[i])
			}
		}
	}
}

func TestHeadsKeepTheFeatures(t *testing.T) {
	base, err := laboratory().Setting("P4.8", "shards.limit=300", "rounds=1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := withLabels(base, firstNew, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range s.Job.Data.Train.Labels {
		if l < firstNew {
			t.Fatalf("label %d among those from %d on", l, firstNew)
		}
	}
	model := s.Job.Start()
	for i := range model {
		model[i] += 0.01
	}
	if err := replaceHead(s.Job, model, 0.4); err != nil {
		t.Fatal(err)
	}
	out, err := train(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	layout := s.Job.Net.Layout()
	for i := range layout.Len() {
		v := layout.At(i)
		frozen := v.Name[:2] == "0." || v.Name[:2] == "2."
		same := slices.Equal(out.Model[v.Offset:v.Offset+v.Size], model[v.Offset:v.Offset+v.Size])
		if same != frozen {
			t.Errorf("%s is that of the features: %v, want %v", v.Name, same, frozen)
		}
	}
}

// TestTrainIsTheRunner: the training of these claims is that of a run with one shard.
func TestTrainIsTheRunner(t *testing.T) {
	s, err := laboratory().Setting("P4.4", "shards.limit=300", "rounds=3", "model.mlp.hidden=[16, 16]")
	if err != nil {
		t.Fatal(err)
	}
	out, err := train(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	model, err := s.Runner().Run(t.Context(), 3, func(localsgd.RoundFacts, []float32) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out.Model, model) {
		t.Error("the model differs from that of localsgd.Runner")
	}
}
