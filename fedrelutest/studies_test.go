package fedrelutest_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// plain has local steps that every study has something to say about.
const plain = `
name: studied
seed: 3
rounds: 2
data: {safetensors: {train: train.safetensors, test: test.safetensors}}
shards: {count: 8, partition: {dirichlet: {alpha: 0.5}}}
model: {mlp: {hidden: [6, 6]}}
local: {steps: 4, batch: 7, optimizer: {sgd: {lr: 0.1, weight_decay: 0.5}}}
participation: {fraction: 0.7}
`

// everything is plain with all checks on: every message of checks that the schema has.
func everything(every int) string {
	checks := plain + "checks:\n  drift: {every: 1, shards: 3, probe: 8}\n  rank: {every: 1, epsilon: 0.01, spectra: 2}\n"
	for _, key := range checkKeys() {
		if key != "drift" && key != "rank" {
			checks += fmt.Sprintf("  %s: {every: %d}\n", key, every)
		}
	}
	return checks
}

// checkKeys returns the keys under checks, from the schema, so that a new one is tested without anybody thinking of it.
func checkKeys() (keys []string) {
	fields := (&pb.Checks{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		keys = append(keys, string(fields.Get(i).Name()))
	}
	return keys
}

// Each check alone, every number under its key at work, leaves the model what it is without any.
func TestEachCheckChangesNothing(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	want := alone(t, plain, dir)
	for i, key := range checkKeys() {
		t.Run(key, func(t *testing.T) {
			fields := (&pb.Checks{}).ProtoReflect().Descriptor().Fields().Get(i).Message().Fields()
			if fields.ByName("every") == nil {
				t.Fatalf("checks.%s has no period: say here how it is switched on", key)
			}
			var on []string
			for j := range fields.Len() {
				on = append(on, fmt.Sprintf("%s: %s", fields.Get(j).Name(), numberFor(t, fields.Get(j))))
			}
			off := ""
			for _, other := range []string{"drift", "rank"} { // the others are off by default
				if other != key {
					off += fmt.Sprintf(", %s: {every: 0}", other)
				}
			}
			spec := fmt.Sprintf("%schecks: {%s: {%s}%s}\n", plain, key, strings.Join(on, ", "), off)
			run := fedrelutest.Start(t, spec, 2, fedrelutest.Data(dir)).Wait()
			if run.ModelSHA256 != want[len(want)-1] || len(run.Rounds) != 2 {
				t.Errorf("with %s the model is %s after %d rounds, without %s", key, run.ModelSHA256, len(run.Rounds), want[len(want)-1])
			}
			for _, r := range run.Rounds {
				if key != "rank" && r.DriftRel == nil && len(r.Readings) == 0 { // ranks are not among what fedrelutest shows
					t.Errorf("round %d: %s has measured nothing: missing are %v", r.Number, spec, r.Missing)
				}
			}
		})
	}
}

// numberFor returns a value for a number under checks that sets it to work, as YAML.
func numberFor(t *testing.T, field protoreflect.FieldDescriptor) string {
	t.Helper()
	value, known := map[string]string{
		"every": "1", "spectra": "1", "shards": "3", "probe": "8", "epsilon": "0.02", "max_side": "500",
	}[string(field.Name())]
	if !known {
		t.Fatalf("%s is new: say here what sets it to work", field.FullName())
	}
	return value
}

// The model of a run does not depend on what is measured, and what is measured not on who measures it.
func TestStudiesChangeNothing(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	want := alone(t, plain, dir)
	off := fedrelutest.Start(t, plain+"checks: {drift: {every: 0}, rank: {every: 0}}\n", 2, fedrelutest.Data(dir)).Wait()
	if off.ModelSHA256 != want[len(want)-1] {
		t.Errorf("without checks the model is %s, want %s", off.ModelSHA256, want[len(want)-1])
	}
	one := fedrelutest.Start(t, everything(1), 1, fedrelutest.Data(dir)).Wait()
	check(t, one, want)
	more := fedrelutest.Start(t, everything(1), 3, fedrelutest.Data(dir), fedrelutest.Slots(2)).Wait()
	check(t, more, want)
	for i, r := range one.Rounds {
		if !reflect.DeepEqual(r.Readings, more.Rounds[i].Readings) || !reflect.DeepEqual(r.Missing, more.Rounds[i].Missing) {
			t.Errorf("round %d: one worker measures something else than three", r.Number)
		}
		readings, missing := studyAlone(t, everything(1), dir, r.Number)
		if !reflect.DeepEqual(sorted(r.Readings), sorted(readings)) || len(r.Readings) < 200 {
			t.Errorf("round %d: %d readings, in this process alone %d", r.Number, len(r.Readings), len(readings))
		}
		if !reflect.DeepEqual(r.Missing, missing) {
			t.Errorf("round %d: missing %v, in this process alone %v", r.Number, r.Missing, missing)
		}
	}
	has := map[string]bool{}
	for _, r := range one.Rounds[0].Readings {
		has[r.Quantity] = true
	}
	for _, quantity := range []string{"heterogeneity", "update.cosine", "rank.0.001", "noise_scale", "units.dead", "entropy", "bias_norm",
		"path_norm", "curve.effective_rank", "cancellation", "crossover", "energy.5", "divergence.predicted", "null.rank.z", "barrier", "barrier.aligned"} {
		if !has[quantity] {
			t.Errorf("%s was not measured: missing are %v", quantity, one.Rounds[0].Missing)
		}
	}
}

func sorted(readings []study.Reading) []study.Reading {
	return slices.SortedFunc(slices.Values(readings), func(a, b study.Reading) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
}

// studyAlone measures a round of a run without a cluster.
func studyAlone(t *testing.T, specYAML, dir string, number int) ([]study.Reading, []study.Missing) {
	t.Helper()
	s, err := spec.Parse("spec", []byte(specYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := workload.Load(s.Source(), dir, shard.Training|shard.Testing)
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	models := [][]float32{job.Start()}
	runner := localsgd.Runner{Job: job, Algorithm: workload.Algorithm(s)}
	_, err = runner.Run(context.Background(), number, func(_ localsgd.RoundFacts, model []float32) error {
		models = append(models, slices.Clone(model))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	plan := runner.Algorithm.Plan(job, number)
	in := study.Input{
		Job: job, Algorithm: runner.Algorithm, Plan: plan, Start: models[number-1], Next: models[number],
		Shards:  analysis.MeasuredShards(s.Seed, number, plan.Shards(), 3),
		Want:    study.All(),
		Options: study.Options{Epsilon: 0.01, MaxSide: 1024, Probe: 8},
	}
	in.Want = slices.DeleteFunc(in.Want, func(one study.Study) bool {
		return one == study.Drift || one == study.LocalSpectra && !s.Rank.KeepsSpectra(number)
	})
	readings, missing, err := study.Round(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return readings, missing
}

// A study is made at its rounds alone, and its record says why there is none where nobody can make it.
func TestStudiesThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	few := plain + "checks: {updates: {every: 2}}\n"
	for _, test := range []struct {
		name, spec, why string
		options         []fedrelutest.Option
	}{
		{"states", few + "server: {scaffold: {}}\n", "states of their own", nil},
		{"divided", few, "no worker alone", []fedrelutest.Option{
			fedrelutest.Brings(0, dir, 0, 2, 4, 6), fedrelutest.Brings(1, dir, 1, 3, 5, 7)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := fedrelutest.Start(t, test.spec, 2, append(test.options, fedrelutest.Data(dir))...).Wait()
			check(t, got, alone(t, test.spec, dir))
			for _, r := range got.Rounds {
				due := r.Number == 2
				if len(r.Readings) > 0 || (len(r.Missing) == 1) != due {
					t.Errorf("round %d: %d readings, missing %v", r.Number, len(r.Readings), r.Missing)
				}
				if due && (r.Missing[0].Quantity != "updates" || !strings.Contains(r.Missing[0].Reason, test.why)) {
					t.Errorf("missing %v, want the reason %q", r.Missing, test.why)
				}
			}
		})
	}
}
