package view_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/record"
)

// A rank above what the theorem allows is said loudly, and a run without one says nothing.
func TestViolationsAreShouted(t *testing.T) {
	run := testRun(t, record.Completed, "local: {epochs: 1, batch: 10, optimizer: {sgd: {lr: 0.1, weight_decay: 9.9}}}\n")
	run.ShardSizes = []int{10, 10, 10, 10}
	var rounds []*record.RoundHistory
	for n := range 4 {
		r := &record.RoundHistory{Round: testRound(n)}
		r.Steps, r.Examples = int64(len(r.Participants)), 2
		m := testMeasured(n)
		r.Measured = &m
		rounds = append(rounds, r)
	}
	write := func() string {
		var out bytes.Buffer
		if err := view.WriteViolations(&out, run, rounds); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	// A round keeps 1 - 0.99 = 0.01 of the matrix: 0.01 x 2 > 0.001 x 3 >= 0.01^2 x 2, so that two rounds of two
	// examples bound the rank by 4, and the fixture's is 8.
	if got := write(); strings.Count(got, "CERTIFICATE VIOLATED") != 2 || !strings.Contains(got, "the rank of 0.weight is 8, the theorem allows at most 4") {
		t.Errorf("got %q", got)
	}
	for _, r := range rounds {
		r.Measured.Layers[0].Spectrum.Rank = 4
	}
	if got := write(); got != "" {
		t.Errorf("got %q of a run that keeps its bounds", got)
	}
	rounds[3].Measured.Readings = []study.Reading{
		{Quantity: "objective", Shard: study.Average, Value: 1}, {Quantity: "optimum.objective", Shard: study.Average, Value: 2},
	}
	if got := write(); !strings.Contains(got, "EXACT LAW BROKEN in round 3: exact optimum of the model: measured 1, allowed 2") {
		t.Errorf("got %q of a model that is better than the best", got)
	}
}
