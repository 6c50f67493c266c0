package bounds_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/bounds"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// recordedLocally is recorded, with what checks.local_ranks says of the first weight of each local model.
func recordedLocally(t *testing.T, text string) (record.Run, []*record.RoundHistory) {
	t.Helper()
	run, rounds := recorded(t, text)
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
	start := slices.Clone(runner.Algorithm.Start(job))
	_, err = runner.Run(context.Background(), s.Rounds, func(f localsgd.RoundFacts, model []float32) error {
		m := rounds[f.Plan.Round].Measured
		for _, k := range f.Plan.Shards() {
			m.Readings = append(m.Readings, endOf(t, s, job, f.Plan.Round, k, start)...)
		}
		copy(start, model)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return run, rounds
}

func endOf(t *testing.T, s *spec.Spec, job *localsgd.Job, round, k int, start []float32) []study.Reading {
	t.Helper()
	end := make([]float32, job.Net.Parameters())
	blocks := localsgd.Blocks{Start: start, End: end}
	if _, err := localsgd.NewTrainer(job).Train(context.Background(), localsgd.Task{Round: round, Shard: k}, localsgd.NewGrid(job.Net.Layout(), start), blocks); err != nil {
		t.Fatal(err)
	}
	var w analysis.Workspace
	layers, err := w.Layers(context.Background(), job.Net.Layout(), end, analysis.RankOptions{Epsilon: s.Rank.Epsilon})
	if err != nil {
		t.Fatal(err)
	}
	return []study.Reading{
		{Quantity: "rank", Layer: "0.weight", Shard: k, Value: float64(layers[0].Spectrum.Rank)},
		{Quantity: "frobenius", Layer: "0.weight", Shard: k, Value: layers[0].Spectrum.Frobenius},
	}
}

// TestLocalCertificate follows 1.3.3 by hand: two steps with rho = 0.5 leave a quarter, and have seen two examples of the shard's own;
// each round before leaves a quarter of that, and has seen four of both shards. In steps that is B (min(h, n) + K max(0, n-h)).
func TestLocalCertificate(t *testing.T) {
	run, rounds := recordedLocally(t, fmt.Sprintf(decayed, 5, ""))
	all := of(t, run, rounds)
	useful := 0
	for round := 1; round < len(rounds); round++ {
		locals := all[round]["0.weight"].Locals
		if len(locals) != 2 || locals[0].Shard != 0 || locals[1].Shard != 1 {
			t.Fatalf("round %d: %+v, want both shards", round, locals)
		}
		for i, l := range locals {
			rank, frobenius := rounds[round].Measured.Readings[2*i].Value, rounds[round].Measured.Readings[2*i+1].Value
			want := 0
			for n := 1; n <= round && want == 0; n++ {
				if math.Pow(4, -float64(n))*rounds[round-n].Measured.Layers[0].Spectrum.Spectral <= 0.01*frobenius {
					want = n
				}
			}
			c := l.Certificate
			if !c.Applies || c.Violated || l.Rank != int(rank) || c.Vacuous != (want == 0) {
				t.Errorf("round %d: %+v, want %d rounds", round, l, want)
			}
			if want == 0 {
				continue
			}
			useful++
			if c.N != 2*want || c.Bound != 2+4*(want-1) || c.Bound != theory.LocalBound(1, 1, 2, 2, c.N) || l.Rank > c.Bound {
				t.Errorf("round %d: %+v, want %d steps and the bound %d", round, l, 2*want, 2+4*(want-1))
			}
			if average := all[round]["0.weight"].Certificate; c.Bound > average.Bound {
				t.Errorf("round %d: a local model may have the rank %d, its average %d", round, c.Bound, average.Bound)
			}
		}
	}
	if useful == 0 {
		t.Error("every certificate is vacuous: nothing was tested")
	}
	if v := all.Violations(rounds); v != nil {
		t.Errorf("violations: %v", v)
	}
	last := len(rounds) - 1
	rounds[last].Measured.Readings[2].Value = 90
	got := of(t, run, rounds).Violations(rounds)
	if len(got) != 1 || got[0].Law != bounds.LocalCertificateLaw || got[0].Shard != 1 || got[0].Rank != 90 ||
		!strings.Contains(got[0].String(), "CERTIFICATE VIOLATED in round 12: the rank of shard 1's 0.weight is 90") {
		t.Errorf("a rank above its bound: %v", got)
	}
}

// Rounds without the average's ranks count as a part of the local model's own span, which then has their examples, too.
func TestLocalCertificateOverRoundsWithoutMeasurement(t *testing.T) {
	run, rounds := recordedLocally(t, fmt.Sprintf(decayed, 5, ""))
	for _, r := range rounds {
		if r.Number%3 != 0 {
			r.Measured.Layers = nil
		}
	}
	all := of(t, run, rounds)
	c := all[11]["0.weight"].Locals[0].Certificate
	if got := all[11]["0.weight"]; got.Certificate.Applies || got.Lambda != nil {
		t.Errorf("a round without the average's ranks: %+v", got)
	}
	frobenius, want := rounds[11].Measured.Readings[1].Value, 0
	for n := 2; want == 0 && n <= 11; n += 3 {
		if math.Pow(4, -float64(n))*rounds[11-n].Measured.Layers[0].Spectrum.Spectral <= 0.01*frobenius {
			want = n
		}
	}
	if c.N != 2*want || c.Bound != 2+4*(want-1) || c.Violated {
		t.Errorf("%+v, want %d rounds of which the last has 2 examples", c, want)
	}
}

func TestLocalCertificatesThatThereAreNot(t *testing.T) {
	short := strings.Replace(fmt.Sprintf(decayed, 5, ""), "rounds: 12", "rounds: 1", 1)
	run, rounds := recordedLocally(t, strings.Replace(short, "lr: 0.1", "lr: 0.1, momentum: 0.5", 1))
	c := of(t, run, rounds)[1]["0.weight"].Locals[0].Certificate
	if c.Applies || !strings.Contains(c.Reason, "not applicable: the local optimizer has momentum 0.5") {
		t.Errorf("%+v", c)
	}
	run, rounds = recordedLocally(t, short)
	rounds[1].Examples++
	c = of(t, run, rounds)[1]["0.weight"].Locals[0].Certificate
	if c.Applies || !strings.Contains(c.Reason, "how many examples") {
		t.Errorf("a record that contradicts the schedule: %+v", c)
	}
	run, rounds = recordedLocally(t, short)
	rounds[1].Measured.Readings[0].Shard, rounds[1].Measured.Readings[1].Shard = 7, 7
	c = of(t, run, rounds)[1]["0.weight"].Locals[0].Certificate
	if c.Applies || !strings.Contains(c.Reason, "took part") {
		t.Errorf("a shard that was not there: %+v", c)
	}
}
