package checkpoints

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// round is a round of a job as a run measures it, and its models as files.
type round struct {
	readings []study.Reading
	report   *Report
	shards   []string // the file of each shard's end
}

// roundOf measures one round of FedAvg over all shards both ways.
func roundOf(t *testing.T, job *localsgd.Job) round {
	t.Helper()
	a := localsgd.Algorithm{Participation: localsgd.Participation{Count: 3}, Weighting: localsgd.ByExamples, Rule: localsgd.FedAvg{LR: 1}}
	start, next := a.Start(job), make([]float32, a.Layout(job).Size())
	facts, err := (&localsgd.Runner{Job: job, Algorithm: a}).Round(t.Context(), 1, start, next)
	if err != nil {
		t.Fatal(err)
	}
	in := study.Input{Job: job, Algorithm: a, Plan: facts.Plan, Shards: facts.Plan.Shards(), Start: start, Next: next, Want: study.All(), Options: study.Options{Draws: 2}}
	var r round
	if r.readings, _, err = study.Round(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, k := range in.Shards {
		end := make([]float32, job.Net.Parameters())
		_, err := localsgd.NewTrainer(job).Train(t.Context(), localsgd.Task{Round: 1, Shard: k},
			localsgd.NewGrid(job.Net.Layout(), start), localsgd.Blocks{Start: start, End: end})
		if err != nil {
			t.Fatal(err)
		}
		r.shards = append(r.shards, string(rune('a'+k))+".safetensors")
		paths = append(paths, save(t, r.shards[k], job.Net.Layout(), end))
	}
	r.report = measured(t, job, save(t, "start.safetensors", job.Net.Layout(), start[:job.Net.Parameters()]), paths)
	return r
}

// measured measures files of the job with its data.
func measured(t *testing.T, job *localsgd.Job, start string, paths []string) *Report {
	t.Helper()
	models, err := Open(append(paths, start), nil)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := NewSubject(job, models[0].Layout)
	if err != nil {
		t.Fatal(err)
	}
	last := len(paths)
	opts := Options{Ranks: analysis.RankOptions{Epsilon: 1e-3}, Align: true, Start: models[last]}
	r, err := Measure(t.Context(), models[:last], subject, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rounds are of a network of two hidden layers and of a spline.
func rounds(t *testing.T) []round {
	deep := jobOf(t, relu.MLP{Input: 6, Hidden: []int{5, 5}, Output: 3}.Layers(), 6, 3)
	spline := jobOf(t, relu.Shallow{Input: 1, Width: 5, Output: 1, Skip: true}.Layers(), 1, 0)
	spline.Local.SGD.NoDecay = []string{"*.bias", "*.shortcut.*"}
	return []round{roundOf(t, deep), roundOf(t, spline)}
}

// own are the quantities that the package doc lists as no run's, and those of a round's record that study does not repeat.
func own() []string {
	return []string{"norm", "energy.10", "gradient_norm", "distance", "distance_rel", "params_cosine", "barrier.alpha",
		"barrier.aligned.alpha", "update.turn", "test_loss", "test_accuracy"}
}

// TestNamesAreThoseOfARun: every quantity is spelled as in the table of a run, or is none of it under any spelling.
func TestNamesAreThoseOfARun(t *testing.T) {
	live, said := map[string]bool{}, map[string]bool{}
	for _, r := range rounds(t) {
		for _, reading := range r.readings {
			live[reading.Quantity] = true
		}
		for _, row := range r.report.Rows {
			said[row.Quantity] = true
		}
	}
	spelled := map[string]string{}
	for name := range live {
		spelled[letters(name)] = name
	}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		switch {
		case live[name]:
		case !slices.Contains(own(), name):
			t.Errorf("%s is neither in the table of a run nor in the list of what no run has", name)
		case spelled[letters(name)] != "":
			t.Errorf("%s is %s in the table of a run", name, spelled[letters(name)])
		}
	}
	for _, name := range own() {
		if !said[name] {
			t.Errorf("%s is listed and was not measured", name)
		}
	}
}

// letters is a name without what tells spellings apart.
func letters(name string) string {
	return strings.NewReplacer(".", "", "_", "").Replace(name)
}

// TestNumbersAreThoseOfARun: where a model or the average of models is measured by the same convention, the run says the same of it.
// What depends on the probe or on a shard's own data has other examples here.
func TestNumbersAreThoseOfARun(t *testing.T) {
	probed := []string{"drift", "drift_rel", "drift_max", "cosine", "lipschitz", "flips", "agreement", "gradient_spread", "gradient_square", "noise_scale",
		"heterogeneity", "heterogeneity.naive", "fluctuation", "zero_inputs.norm"}
	compared := map[string]bool{}
	for _, r := range rounds(t) {
		for _, live := range r.readings {
			at := ofAverage.in(live.Layer)
			if live.Shard != study.Average {
				at.Model = r.shards[live.Shard]
			}
			got := r.report.Value(at, live.Quantity)
			if live.Step != study.Whole || got == nil || slices.Contains(probed, live.Quantity) {
				continue
			}
			compared[live.Quantity] = true
			if math.Abs(*got-live.Value) > 2e-6*max(1, math.Abs(live.Value)) {
				t.Errorf("%s at %+v is %v, in the run %v", live.Quantity, at, *got, live.Value)
			}
		}
	}
	for _, want := range []string{"rank", "rank.0.05", "units.dead", "entropy", "movement", "path_norm", "variation", "barrier.max", "barrier.aligned", "aligned.moved",
		"identity.sum", "divergence", "round_rel", "dist", "update.cosine", "zero_inputs", "optimum.objective", "objective"} {
		if !compared[want] {
			t.Errorf("%s was not compared", want)
		}
	}
}
