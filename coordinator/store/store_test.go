package store

import (
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// begun is a fixed instant: nothing here depends on the time of the test.
var begun = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newRun(id string, keep record.Keep) record.Run {
	return record.Run{
		ID: id, Name: "name of " + id, Spec: []byte("spec"), SpecYAML: []byte("seed: 1\n"), Created: begun, Status: record.Queued,
		Layout: tensor.Hash{1}, ShardSizes: []int{3, 4, 5}, Build: "test", Numerics: 1, Keep: keep,
	}
}

// block is the model of a round: a function of round and size, different for each round.
func block(round, size int) []float32 {
	b := make([]float32, size)
	for i := range b {
		b[i] = math.Float32frombits(0x3f000000 + uint32(round*7919+i)%0x700000)
	}
	return b
}

func newRound(number int, model, start tensor.Hash) record.Round {
	accuracy := 0.5 + float64(number%7)/100
	r := record.Round{
		Number: number, CloseReason: "all answered", Model: model, StartModel: start, TestAccuracy: &accuracy, Time: begun,
		Seconds: record.Seconds{Train: 1, Wait: 0.5, Network: 0.25, Aggregate: 0.125},
	}
	if number > 0 {
		r.Invited, r.Participants, r.Missing, r.Weights = []int{0, 1, 2}, []int{0, 2}, []int{1}, []uint64{3, 5}
		r.Workers = []record.Worker{{Name: "one", Shards: []int{0, 2}}}
	}
	return r
}

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want one that matches %v", err, want)
	}
}

// commit commits rounds from .. to with models of size values.
func commit(t testing.TB, s *Store, id string, from, to, size int) {
	t.Helper()
	for n := from; n <= to; n++ {
		_, err := s.CommitRound(id, roundWith(n, size), block(n, size))
		check(t, err)
	}
}

func roundWith(n, size int) record.Round {
	start := tensor.Hash{}
	if n > 0 {
		start = tensor.HashBlock(block(n-1, size))
	}
	return newRound(n, tensor.HashBlock(block(n, size)), start)
}

// verified fails the test unless the closed store in dir is sound.
func verified(t testing.TB, dir string) *Report {
	t.Helper()
	report, err := Verify(dir)
	check(t, err)
	if !report.OK() {
		t.Fatalf("the store is not sound:\n%v", report)
	}
	return report
}

func file(dir string) string { return filepath.Join(dir, fileName) }

func TestRoundsSurviveReopening(t *testing.T) {
	for name, size := range map[string]int{"one value": 1, "small": 1000, "two chunks": 300_000, "large": 700_000, "whole groups": 4 * 262128} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir)
			check(t, s.CreateRun(newRun("run1", record.Keep{Last: 2})))
			commit(t, s, "run1", 0, 4, size)
			check(t, s.Close())
			verified(t, dir)

			s = openStore(t, dir)
			st, err := s.Load("run1")
			check(t, err)
			if st.Last != 4 || st.Model != 4 || st.NeedsMend || len(st.Problems) > 0 || st.Round.CloseReason != "all answered" {
				t.Fatalf("loaded %+v", st)
			}
			got := make([]float32, size)
			check(t, s.ReadModel("run1", st.Round.Model, got))
			if tensor.HashBlock(got) != tensor.HashBlock(block(4, size)) {
				t.Fatal("another model was read")
			}
			commit(t, s, "run1", 5, 6, size)
			wantError(t, s.ReadModel("run1", st.Round.Model, got), ErrNoModel)
		})
	}
}
