package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func storeWith(t *testing.T, names ...string) (*Store, string) {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, dir)
	for _, id := range names {
		check(t, s.CreateRun(newRun(id, record.Keep{Last: 1})))
	}
	return s, dir
}

func TestRunsAreInTheOrderOfTheirSubmission(t *testing.T) {
	s, _ := storeWith(t, "zzzz", "aaaa", "mmmm")
	wantError(t, s.CreateRun(newRun("aaaa", record.Keep{})), ErrExists)
	wantError(t, s.CreateRun(newRun("Not an id", record.Keep{})), record.ErrInvalid)
	check(t, s.Remove("aaaa"))
	wantError(t, s.Remove("aaaa"), ErrNoRun)
	check(t, s.CreateRun(newRun("bbbb", record.Keep{})))
	runs, err := s.Runs()
	check(t, err)
	if got := ids(runs); !slices.Equal(got, []string{"zzzz", "mmmm", "bbbb"}) {
		t.Errorf("runs are %v", got)
	}
}

func TestRunsAreFoundByWhatPeopleCallThem(t *testing.T) {
	s, _ := storeWith(t, "abcd1", "abce2", "xyzw")
	check(t, s.Update("xyzw", func(r *record.Run) error { r.Name = "abcd1x"; return nil }))
	check(t, s.Update("abcd1", func(r *record.Run) error { r.Name = "twin"; return nil }))
	check(t, s.Update("abce2", func(r *record.Run) error { r.Name = "twin"; return nil }))
	for name, want := range map[string]string{"abcd1": "abcd1", "abcd": "abcd1", "x": "xyzw", "abcd1x": "xyzw"} {
		r, err := s.Find(name)
		check(t, err)
		if r.ID != want {
			t.Errorf("%q is run %s, want %s", name, r.ID, want)
		}
	}
	for _, name := range []string{"abc", "twin"} {
		_, err := s.Find(name)
		var ambiguous *AmbiguousError
		if !errors.As(err, &ambiguous) || !errors.Is(err, ErrAmbiguous) || !slices.Equal(ambiguous.IDs, []string{"abcd1", "abce2"}) {
			t.Errorf("%q: error is %v", name, err)
		}
	}
	for _, name := range []string{"", "nothing", "ABCD"} {
		_, err := s.Find(name)
		wantError(t, err, ErrNoRun)
	}
}

func TestWhatAChainDependsOnIsFixed(t *testing.T) {
	s, _ := storeWith(t, "run1")
	set := func(change func(r *record.Run)) error {
		return s.Update("run1", func(r *record.Run) error { change(r); return nil })
	}
	wantError(t, set(func(r *record.Run) { r.Spec = []byte("other") }), ErrFixed)
	check(t, set(func(r *record.Run) { r.Layout, r.ShardSizes = tensor.Hash{7}, []int{9} }))
	commit(t, s, "run1", 0, 0, 10)
	for name, change := range map[string]func(r *record.Run){
		"layout":    func(r *record.Run) { r.Layout = tensor.Hash{8} },
		"shards":    func(r *record.Run) { r.ShardSizes = []int{9, 9} },
		"numerics":  func(r *record.Run) { r.Numerics++ },
		"start":     func(r *record.Run) { r.StartModel = tensor.Hash{8} },
		"retention": func(r *record.Run) { r.Keep.Last++ },
		"id":        func(r *record.Run) { r.ID = "run2" },
		"created":   func(r *record.Run) { r.Created = r.Created.Add(time.Second) },
	} {
		if err := set(change); !errors.Is(err, ErrFixed) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	wantError(t, set(func(r *record.Run) { r.Wall = -1 }), record.ErrInvalid)
	check(t, set(func(r *record.Run) { r.Wall, r.Build = time.Minute, "later" }))
	check(t, s.SetStatus("run1", record.Stopped, "Ctrl-C"))
	check(t, s.SetStatus("run1", record.Running, ""))
	check(t, s.SetStatus("run1", record.Failed, "task diverged"))
	wantError(t, s.SetStatus("run1", record.Running, ""), ErrFixed)
	r, err := s.Run("run1")
	check(t, err)
	if r.Status != record.Failed || r.Reason != "task diverged" || r.Wall != time.Minute {
		t.Errorf("run is %+v", r)
	}
}

func TestARunAdoptsDataOnce(t *testing.T) {
	s, _ := storeWith(t, "run1")
	labels := record.Data{TrainY: tensor.Hash{1}, TestX: tensor.Hash{2}, TestY: tensor.Hash{3}}
	images := record.Data{TrainX: tensor.Hash{4}, TrainY: tensor.Hash{1}}
	check(t, s.AdoptData("run1", labels))
	check(t, s.AdoptData("run1", images))
	check(t, s.AdoptData("run1", record.Data{}))
	err := s.AdoptData("run1", record.Data{TrainX: tensor.Hash{5}, TestX: tensor.Hash{2}})
	wantError(t, err, ErrOtherData)
	r, err := s.Run("run1")
	check(t, err)
	if want := (record.Data{TrainX: tensor.Hash{4}, TrainY: tensor.Hash{1}, TestX: tensor.Hash{2}, TestY: tensor.Hash{3}}); r.Data != want {
		t.Errorf("data are %+v, want %+v", r.Data, want)
	}
	wantError(t, s.AdoptData("nope", labels), ErrNoRun)
}

func TestOnlyTheNextRoundIsCommitted(t *testing.T) {
	s, dir := storeWith(t, "run1")
	const size = 100
	commit(t, s, "run1", 0, 2, size)
	before, err := s.Load("run1")
	check(t, err)
	other := block(9, size)
	for name, c := range map[string]struct {
		round record.Round
		block []float32
		want  error
	}{
		"again":         {roundWith(2, size), block(2, size), ErrOrder},
		"a gap":         {roundWith(4, size), block(4, size), ErrOrder},
		"other start":   {newRound(3, tensor.HashBlock(other), tensor.HashBlock(block(1, size))), other, ErrOrder},
		"other model":   {roundWith(3, size), other, ErrOtherModel},
		"empty model":   {roundWith(3, size), nil, ErrOtherModel},
		"broken record": {func() record.Round { r := roundWith(3, size); r.Weights = nil; return r }(), block(3, size), record.ErrInvalid},
	} {
		if _, err := s.CommitRound("run1", c.round, c.block); !errors.Is(err, c.want) {
			t.Errorf("%s: error is %v, want %v", name, err, c.want)
		}
	}
	_, err = s.CommitRound("nope", roundWith(3, size), block(3, size))
	wantError(t, err, ErrNoRun)
	_, err = s.AppendMeasured("run1", record.Measured{Round: 2})
	wantError(t, err, ErrOrder)
	after, err := s.Load("run1")
	check(t, err)
	if before.Entry != after.Entry || after.Last != 2 {
		t.Errorf("refused calls changed the chain from %+v to %+v", before, after)
	}
	check(t, s.Close())
	verified(t, dir)
}

func TestTheNextEntrySaysHowLongACommitTook(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	check(t, s.CreateRun(newRun("run1", record.Keep{Last: 1})))
	commit(t, s, "run1", 0, 2, 10)
	check(t, s.SetStatus("run1", record.Stopped, "Ctrl-C")) // nothing follows for now: the run's record says it
	check(t, s.Close())
	s = openStore(t, dir)
	stopped, err := s.Run("run1")
	check(t, err)
	if stopped.Committed == nil || stopped.Committed.Round != 2 || stopped.Committed.Seconds <= 0 {
		t.Fatalf("the record of the stopped run says %+v", stopped.Committed)
	}
	commit(t, s, "run1", 3, 3, 10)
	var h record.History
	for e, err := range s.Entries("run1", 0) {
		check(t, err)
		check(t, h.Add(e))
	}
	run, err := s.Run("run1")
	check(t, err)
	h.Finish(&run)
	for _, r := range h.Rounds() {
		if r.Commit == nil || *r.Commit <= 0 || r.Total() != r.Seconds.Sum()+*r.Commit {
			t.Errorf("round %d: commit took %v", r.Number, r.Commit)
		}
	}
	if got := *h.Rounds()[2].Commit; got != stopped.Committed.Seconds {
		t.Errorf("round 2 took %v, the stopped run said %v", got, stopped.Committed.Seconds)
	}
}
