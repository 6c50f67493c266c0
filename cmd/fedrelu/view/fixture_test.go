package view_test

import (
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// testRun is a run of a small spec of four shards, with the given keys beside its own.
func testRun(t *testing.T, status record.Status, more string) record.Run {
	t.Helper()
	s, err := spec.Parse("test.yaml", []byte("name: tiny\nrounds: 12\ndata: {mnist: {}}\nshards: {count: 4}\nmodel: {mlp: {hidden: [8]}}\n"+more), nil)
	if err != nil {
		t.Fatal(err)
	}
	return record.Run{
		ID: "run0", Name: "tiny", Spec: s.Proto(), Status: status, Created: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		Wall: 90 * time.Second, Build: "test", Numerics: 1, Keep: record.Keep(s.Keep),
	}
}

func number(v float64) *float64 { return &v }

// testRound is a round with a fixed difference to its neighbours.
func testRound(n int) record.Round {
	r := record.Round{
		Number: n, Model: tensor.Hash{byte(n), 0xab}, TestAccuracy: number(0.5 + float64(n)/100), TestLoss: number(1 / float64(n+1)),
		Time: time.Date(2026, 5, 4, 3, 3, n, 0, time.UTC), MeasureDue: true,
	}
	if n > 0 {
		r.Invited, r.Participants, r.Missing, r.Weights = []int{0, 2, 3}, []int{0, 3}, []int{2}, []uint64{1, 1}
		r.StartModel = tensor.Hash{byte(n - 1), 0xab}
		r.Absent = []record.Absent{{Shards: []int{2}, Reason: "late: in training at worker b"}}
		r.CloseReason = "the deadline is over"
		r.TrainLoss = number(0.25)
		r.BytesUp, r.BytesDown = 8_000_000, 1_600_000
		r.Seconds = record.Seconds{Train: 0.5, Wait: 0.25, Network: 0.125, Aggregate: 0.0625}
	}
	return r
}

func testMeasured(n int) record.Measured {
	return record.Measured{
		Round: n, Seconds: 0.75,
		Drift: &record.Drift{
			Model: record.ModelMean, Probe: 32, Shards: []int{0, 3}, Probes: []int{32, 20}, Drift: number(0.5), DriftRel: number(0.41), DriftMax: number(0.625),
			Cosine: number(0.875), Divergence: number(2), DivergenceRel: number(0.25),
			Flips:   []activity.Flip{{Name: "1", Fraction: 0.125}},
			Modules: []record.ModuleDrift{{Name: "0", Drift: number(0.5), DriftRel: number(0.25), Divergence: number(1.5)}},
		},
		Readings: []study.Reading{
			{Quantity: "heterogeneity", Shard: study.Average, Model: study.Mean, Value: -0.5},
			{Quantity: "rank.0.01", Layer: "0.weight", Shard: 0, Value: 6},
			{Quantity: "rank.0.01", Layer: "0.weight", Shard: 3, Value: 8},
			{Quantity: "effective_rank", Layer: "0.weight", Shard: 0, Value: 4.5},
			{Quantity: "effective_rank", Layer: "0.weight", Shard: 3, Value: 5.5},
			{Quantity: "divergence", Shard: study.Average, Step: 2, Value: 0.75},
		},
		Missing: []study.Missing{{Quantity: "entropy", Reason: "no ReLU"}},
		Layers: []record.Layer{
			{Name: "0.weight", Shape: []int{8, 784}, Spectrum: &record.Spectrum{
				Rank: 8, Epsilon: 0.001, Ranks: []record.RankAt{{Epsilon: 0.001, Rank: 8}, {Epsilon: 0.05, Rank: 7}}, StableRank: 3.5,
				EffectiveRank: 6.25, Top: []float64{2, 1}, Frobenius: 3, Spectral: 2,
			}},
			{Name: "2.weight", Shape: []int{10, 8}, Reason: "its smaller side is 8, max_side is 4"},
		},
	}
}

// chain makes entries of bodies that follow each other.
type chain struct {
	t    *testing.T
	run  record.Run
	seq  uint64
	prev tensor.Hash
}

func newChain(t *testing.T, run record.Run) *chain {
	return &chain{t: t, run: run, prev: run.Genesis()}
}

func (c *chain) link(body record.Body, committed *record.Commit) control.Event {
	c.t.Helper()
	e, err := record.Link(c.run.ID, c.seq, c.prev, body, committed)
	if err != nil {
		c.t.Fatal(err)
	}
	c.seq, c.prev = e.Seq+1, e.Hash
	return control.Event{Entry: &e}
}

func (c *chain) round(n int) control.Event {
	r := testRound(n)
	return c.link(&r, nil)
}

func (c *chain) measured(n int) control.Event {
	m := testMeasured(n)
	return c.link(&m, &record.Commit{Round: n, Seconds: 0.03125})
}
