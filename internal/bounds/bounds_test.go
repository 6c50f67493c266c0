package bounds_test

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/bounds"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// decayed forgets so fast that the theorem says something about layers of a hundred units: four examples and a factor of 1/4 a round.
const decayed = `
rounds: 12
data: {synthetic: {gaussian: {train: 64, test: 10, inputs: 100, classes: 10}}}
shards: {count: 2}
model: {mlp: {hidden: [100]}}
local: {steps: 2, batch: 1, optimizer: {sgd: {lr: 0.1, weight_decay: %v, no_decay: ['2.*']}}}
checks: {rank: {epsilon: 0.01}}
%s
`

// recorded trains a spec in this process and returns what a coordinator would have recorded.
func recorded(t *testing.T, text string) (record.Run, []*record.RoundHistory) {
	t.Helper()
	s, err := spec.Parse("spec", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := workload.Load(s.Source(), "", shard.All)
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	runner := localsgd.Runner{Job: job, Algorithm: workload.Algorithm(s)}
	run := record.Run{ID: "r", Spec: s.Proto(), ShardSizes: job.Shards.Sizes()}
	rounds := []*record.RoundHistory{{Measured: measured(t, s, job, 0, runner.Algorithm.Start(job))}}
	_, err = runner.Run(context.Background(), s.Rounds, func(f localsgd.RoundFacts, model []float32) error {
		plan := f.Plan
		r := &record.RoundHistory{Round: record.Round{Number: plan.Round, Participants: plan.Shards()}, Measured: measured(t, s, job, plan.Round, model)}
		for _, task := range plan.Tasks {
			r.Weights = append(r.Weights, uint64(task.Weight))
			r.Steps += int64(job.Steps(localsgd.Task{Round: plan.Round, Shard: task.Shard, Steps: task.Steps}))
		}
		r.Examples = r.Steps * int64(s.Local.Schedule.Batch)
		rounds = append(rounds, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return run, rounds
}

func measured(t *testing.T, s *spec.Spec, job *localsgd.Job, round int, model []float32) *record.Measured {
	t.Helper()
	var w analysis.Workspace
	layers, err := w.Layers(context.Background(), job.Net.Layout(), model[:job.Net.Parameters()], analysis.RankOptions{Epsilon: s.Rank.Epsilon})
	if err != nil {
		t.Fatal(err)
	}
	m := &record.Measured{Round: round}
	for _, l := range layers {
		m.Layers = append(m.Layers, record.Layer{Name: l.Name, Shape: l.Shape, Positions: 1, Spectrum: &record.Spectrum{
			Rank: l.Spectrum.Rank, Epsilon: s.Rank.Epsilon, Frobenius: l.Spectrum.Frobenius, Spectral: l.Spectrum.Spectral, Values: l.Spectrum.Values,
		}})
	}
	return m
}

func of(t *testing.T, run record.Run, rounds []*record.RoundHistory) bounds.Layers {
	t.Helper()
	all, err := bounds.Of(run, rounds)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCertificate follows theorem 1.3.2 by hand: with rho = 1 - lr wd = 0.5 a round of two steps multiplies by 0.25 and looks at
// four examples, so the first n for which 4^-n ||W_{T-n}||_2 <= eps ||W_T||_F bounds the rank by 4 n.
func TestCertificate(t *testing.T) {
	run, rounds := recorded(t, fmt.Sprintf(decayed, 5, ""))
	all := of(t, run, rounds)
	useful := 0
	for round := range rounds {
		m := rounds[round].Measured.Layers[0]
		want := 0
		for n := 1; n <= round && want == 0; n++ {
			before := rounds[round-n].Measured.Layers[0].Spectrum.Spectral
			if math.Pow(4, -float64(n))*before <= 0.01*m.Spectrum.Frobenius {
				want = n
			}
		}
		got := all[round]["0.weight"]
		c := got.Certificate
		if !c.Applies || c.Violated || c.Vacuous != (want == 0) || !c.Vacuous && (c.N != 2*want || c.Bound != 4*want) {
			t.Errorf("round %d: %+v, want %d rounds", round, c, want)
		}
		if m.Spectrum.Rank > c.Bound {
			t.Errorf("round %d: rank %d, bound %d", round, m.Spectrum.Rank, c.Bound)
		}
		if !c.Vacuous {
			useful++
		}
		if want := 2 * 0.1 * 5 * float64(round); math.Abs(*got.Lambda-want) > 1e-12 {
			t.Errorf("round %d: lambda %v, want %v", round, *got.Lambda, want)
		}
		first := rounds[0].Measured.Layers[0].Spectrum
		half := first.Values[(first.Rank+1)/2-1]
		if want := math.Log(half / (0.01 * m.Spectrum.Frobenius)); got.Onset == nil || math.Abs(*got.Onset-want) > 1e-9 {
			t.Errorf("round %d: onset %v, want %v", round, got.Onset, want)
		}
	}
	if useful == 0 {
		t.Error("every certificate is vacuous: nothing was tested")
	}
	if v := all.Violations(rounds); v != nil {
		t.Errorf("violations: %v", v)
	}
	last := len(rounds) - 1
	rounds[last].Measured.Layers[0].Spectrum.Rank = 100
	want := []bounds.Violation{{Law: bounds.CertificateLaw, Round: last, Rank: 100, Bound: all[last]["0.weight"].Certificate.Bound, Layer: "0.weight"}}
	if got := of(t, run, rounds).Violations(rounds); !reflect.DeepEqual(got, want) || !strings.Contains(got[0].String(), "CERTIFICATE VIOLATED") {
		t.Errorf("a rank above its bound: %v, want %v", got, want)
	}
}

// What follows a lost record has no certificate: nobody knows how many examples it had.
func TestNoCertificateAfterALostRound(t *testing.T) {
	run, rounds := recorded(t, fmt.Sprintf(decayed, 5, ""))
	c := of(t, run, append(rounds[:6:6], rounds[7:]...))[12]["0.weight"].Certificate
	if c.Applies || !strings.Contains(c.Reason, "the record of round 6 is missing") {
		t.Errorf("%+v", c)
	}
}

// Laws about readings are broken by made-up ones alone.
func TestExactLaws(t *testing.T) {
	reading := func(quantity string, value float64) study.Reading {
		return study.Reading{Quantity: quantity, Shard: study.Average, Value: value}
	}
	for _, test := range []struct {
		name     string
		readings []study.Reading
		want     bounds.Law
	}{
		{"decay as predicted", []study.Reading{reading("zero_inputs.off", 1e-6), reading("zero_inputs.rounding", 1e-5)}, ""},
		{"decay that nothing is allowed of", []study.Reading{reading("zero_inputs.off", 1)}, ""},
		{"another decay", []study.Reading{reading("zero_inputs.off", 2e-5), reading("zero_inputs.rounding", 1e-5)}, bounds.DecayLaw},
		{"above the optimum", []study.Reading{reading("objective", 0.5), reading("optimum.objective", 0.5)}, ""},
		{"below the optimum", []study.Reading{reading("objective", 0.4), reading("optimum.objective", 0.5)}, bounds.OptimumLaw},
		{"an optimum alone", []study.Reading{reading("optimum.objective", 0.5)}, ""},
		{"a shard's own", []study.Reading{{Quantity: "objective", Shard: 1}, reading("optimum.objective", 0.5)}, ""},
	} {
		r := &record.RoundHistory{Round: record.Round{Number: 3}, Measured: &record.Measured{Round: 3, Readings: test.readings}}
		got := bounds.Broken(r, nil)
		if test.want == "" && got != nil || test.want != "" && (len(got) != 1 || got[0].Law != test.want || got[0].Round != 3) {
			t.Errorf("%s: %v, want %q", test.name, got, test.want)
		}
		if len(got) > 0 && !strings.Contains(got[0].String(), "EXACT LAW BROKEN in round 3: "+string(test.want)) {
			t.Errorf("%s: said %q", test.name, got[0])
		}
	}
}

// Rounds between two measurements count as one span: the bound then is that of all their examples, n that of all their steps.
func TestCertificateOverRoundsWithoutMeasurement(t *testing.T) {
	run, rounds := recorded(t, fmt.Sprintf(decayed, 5, ""))
	for _, r := range rounds {
		if r.Number%3 != 0 {
			r.Measured = nil
		}
	}
	all := of(t, run, rounds)
	if len(all) != 5 {
		t.Fatalf("%d rounds, want 5", len(all))
	}
	c := all[12]["0.weight"].Certificate
	m := rounds[12].Measured.Layers[0].Spectrum
	want := 0
	for n := 1; want == 0 && n <= 4; n++ {
		if math.Pow(4, -3*float64(n))*rounds[12-3*n].Measured.Layers[0].Spectrum.Spectral <= 0.01*m.Frobenius {
			want = n
		}
	}
	if c.N != 6*want || c.Bound != min(100, 12*want) || c.Violated {
		t.Errorf("%+v, want %d spans of 6 steps and 12 examples", c, want)
	}
	if got := *all[12]["0.weight"].Lambda; math.Abs(got-12) > 1e-12 {
		t.Errorf("lambda %v, want 12", got)
	}
}

// Where participants make unequally many steps, n counts rounds: one of 12 and 20 examples forgets all, with rho = 0.5.
func TestCertificateOfUnequalSteps(t *testing.T) {
	text := strings.NewReplacer("steps: 2", "epochs: 1", "{count: 2}", "{count: 2, limit: 32, partition: {contiguous: {sizes: [12, 20]}}}").Replace(fmt.Sprintf(decayed, 5, ""))
	run, rounds := recorded(t, text)
	c := of(t, run, rounds)[12]["0.weight"].Certificate
	if !c.Applies || c.N != 1 || c.Bound != 32 || c.Violated {
		t.Errorf("%+v, want one round of 32 examples", c)
	}
}

func TestCertificatesThatThereAreNot(t *testing.T) {
	for _, test := range []struct{ name, from, to, want string }{
		{"momentum", "lr: 0.1", "lr: 0.1, momentum: 0.5", "momentum 0.5"},
		{"adamw", "sgd: {lr: 0.1, weight_decay: 5, no_decay: ['2.*']}", "adamw: {lr: 0.001}", "scales coordinates"},
		{"a spared layer", "no_decay: ['2.*']", "no_decay: ['0.*']", "no weight decay"},
		{"a rule", "shards: {count: 2}", "shards: {count: 2}\nserver: {fedadam: {}}", "rule fedadam"},
		{"attackers", "shards: {count: 2}", "shards: {count: 2}\nfaults: {byzantine: {fraction: 0.5, attack: {sign_flip: {}}}}", "attack"},
	} {
		t.Run(test.name, func(t *testing.T) {
			run, rounds := recorded(t, strings.Replace(strings.Replace(fmt.Sprintf(decayed, 5, ""), test.from, test.to, 1), "rounds: 12", "rounds: 2", 1))
			c := of(t, run, rounds)[2]["0.weight"].Certificate
			if c.Applies || !strings.HasPrefix(c.Reason, "not applicable: ") || !strings.Contains(c.Reason, test.want) {
				t.Errorf("%+v, want the reason %q", c, test.want)
			}
		})
	}
	run, rounds := recorded(t, strings.Replace(fmt.Sprintf(decayed, 5, ""), "rounds: 12", "rounds: 2", 1))
	rounds[1].Steps++
	if l := of(t, run, rounds)[2]["0.weight"]; l.Certificate.Applies || l.Lambda != nil {
		t.Errorf("a record that contradicts the schedule: %+v", l)
	}
}
