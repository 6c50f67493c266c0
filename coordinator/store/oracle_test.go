package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// twin is what a store should hold, kept in maps.
type twin struct {
	order []string
	runs  map[string]*twinRun
}

type twinRun struct {
	keep   record.Keep
	status record.Status
	rounds []record.Round
	blocks map[int][]float32 // of the models that must be stored
	due    map[int]bool
	chain  []tensor.Hash
}

// retain applies the rule of retention as the specification words it, over all rounds there ever were.
func (r *twinRun) retain() {
	last, best := len(r.rounds)-1, 0
	for n, round := range r.rounds {
		if *round.TestAccuracy > *r.rounds[best].TestAccuracy {
			best = n
		}
	}
	for n := range r.blocks {
		keep := n == last || n > last-r.keep.Last || r.keep.Best && n == best || r.keep.Every > 0 && n%r.keep.Every == 0
		if !keep && !r.due[n] && !r.due[n+1] {
			delete(r.blocks, n)
		}
	}
}

// machine drives a store and its twin.
type machine struct {
	dir string
	s   *Store
	twin
}

func (m *machine) pick(t *rapid.T) (string, *twinRun) {
	if len(m.order) == 0 {
		t.Skip("no run")
	}
	id := rapid.SampledFrom(m.order).Draw(t, "run")
	return id, m.runs[id]
}

func (m *machine) create(t *rapid.T) {
	id := fmt.Sprintf("run%d", rapid.IntRange(1, 4).Draw(t, "id"))
	keep := record.Keep{Last: rapid.IntRange(0, 3).Draw(t, "last"), Every: rapid.IntRange(0, 3).Draw(t, "every"), Best: rapid.Bool().Draw(t, "best")}
	err := m.s.CreateRun(newRun(id, keep))
	if _, taken := m.runs[id]; taken {
		must(t, errors.Is(err, ErrExists), "a second run %s: %v", id, err)
		return
	}
	must(t, err == nil, "creating %s: %v", id, err)
	m.order = append(m.order, id)
	m.runs[id] = &twinRun{keep: keep, status: record.Queued, blocks: map[int][]float32{}, due: map[int]bool{}}
}

func (m *machine) remove(t *rapid.T) {
	id, _ := m.pick(t)
	err := m.s.Remove(id)
	must(t, err == nil, "removing %s: %v", id, err)
	delete(m.runs, id)
	m.order = slices.DeleteFunc(m.order, func(other string) bool { return other == id })
}

func (m *machine) commit(t *rapid.T) {
	id, r := m.pick(t)
	n := len(r.rounds)
	// Few seeds, so that models return; sizes on both sides of what is written within the round's transaction, the large
	// one seldom, because it is slow.
	size := []int{1, 700, 530_000}[min(rapid.IntRange(0, 15).Draw(t, "size")/7, 2)]
	b := block(rapid.IntRange(0, 3).Draw(t, "seed"), size)
	start := tensor.Hash{}
	if n > 0 {
		start = r.rounds[n-1].Model
	}
	round := newRound(n, tensor.HashBlock(b), start)
	accuracy := float64(rapid.IntRange(0, 5).Draw(t, "accuracy")) / 10
	round.TestAccuracy, round.MeasureDue = &accuracy, rapid.Bool().Draw(t, "due")
	if rapid.Bool().Draw(t, "ahead") {
		err := m.s.WriteModel(id, round.Model, b)
		must(t, err == nil, "writing ahead: %v", err)
	}
	e, err := m.s.CommitRound(id, round, b)
	if r.status == record.Completed {
		must(t, errors.Is(err, ErrFixed), "a round of a completed run: %v", err)
		return
	}
	must(t, err == nil, "committing: %v", err)
	r.rounds, r.chain, r.blocks[n] = append(r.rounds, round), append(r.chain, e.Hash), b
	if round.MeasureDue {
		r.due[n] = true
	}
	r.retain()
}

func (m *machine) measure(t *rapid.T) {
	id, r := m.pick(t)
	n := rapid.IntRange(0, len(r.rounds)).Draw(t, "round")
	e, err := m.s.AppendMeasured(id, record.Measured{Round: n, LayersReason: "too large"})
	if !r.due[n] {
		must(t, errors.Is(err, ErrOrder) || errors.Is(err, ErrFixed) && r.status == record.Completed, "measured round %d, which is not due: %v", n, err)
		return
	}
	must(t, err == nil, "measured: %v", err)
	delete(r.due, n)
	r.chain = append(r.chain, e.Hash)
	r.retain()
}

func (m *machine) setStatus(t *rapid.T) {
	id, r := m.pick(t)
	status := record.Status(rapid.IntRange(1, 6).Draw(t, "status"))
	err := m.s.SetStatus(id, status, "why")
	if r.status.Final() && status != r.status {
		must(t, errors.Is(err, ErrFixed), "status %v after %v: %v", status, r.status, err)
		return
	}
	if status == record.Completed && len(r.due) > 0 {
		must(t, errors.Is(err, ErrOrder), "completed with %d measurements due: %v", len(r.due), err)
		return
	}
	must(t, err == nil, "status: %v", err)
	r.status = status
}

func (m *machine) reopen(t *rapid.T) {
	err := m.s.Close()
	must(t, err == nil, "closing: %v", err)
	report, err := Verify(m.dir)
	must(t, err == nil && report.OK(), "verifying: %v\n%v", err, report)
	m.s, err = Open(m.dir, Options{})
	must(t, err == nil, "opening: %v", err)
	for id, r := range m.runs {
		for n, want := range r.blocks {
			got := make([]float32, len(want))
			err := m.s.ReadModel(id, r.rounds[n].Model, got)
			must(t, err == nil && slices.Equal(got, want), "model of round %d: %v", n, err)
		}
	}
}

// check compares the store with its twin.
func (m *machine) check(t *rapid.T) {
	runs, err := m.s.Runs()
	must(t, err == nil && slices.Equal(ids(runs), m.order), "runs are %v, want %v; %v", ids(runs), m.order, err)
	for _, run := range runs {
		m.checkRun(t, run, m.runs[run.ID])
	}
}

func (m *machine) checkRun(t *rapid.T, run record.Run, r *twinRun) {
	must(t, run.Status == r.status, "run %s is %v, want %v", run.ID, run.Status, r.status)
	var chain []tensor.Hash
	for e, err := range m.s.Entries(run.ID, 0) {
		must(t, err == nil, "reading the chain: %v", err)
		chain = append(chain, e.Hash)
	}
	must(t, slices.Equal(chain, r.chain), "the chain of %s has %d entries, want %d", run.ID, len(chain), len(r.chain))
	st, err := m.s.Load(run.ID)
	must(t, err == nil && !st.NeedsMend && len(st.Problems) == 0, "loading: %v, %+v", err, st)
	must(t, st.Last == len(r.rounds)-1 && st.Model == st.Last && slices.Equal(st.Due, slices.Sorted(maps.Keys(r.due))), "loaded %+v", st)
	models, err := m.s.Models(run.ID)
	must(t, err == nil, "models: %v", err)
	var stored []int
	for _, k := range models {
		stored = append(stored, k.Round)
		must(t, k.Hash == r.rounds[k.Round].Model, "round %d has model %v", k.Round, k.Hash)
	}
	want := slices.Sorted(maps.Keys(r.blocks))
	must(t, slices.Equal(stored, want), "run %s, %+v: models of rounds %v are stored, want %v", run.ID, r.keep, stored, want)
}

func must(t *rapid.T, ok bool, format string, args ...any) {
	if !ok {
		t.Helper()
		t.Fatalf(format, args...)
	}
}

func TestAStoreIsWhatItsTwinSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "store")
		must(t, err == nil, "%v", err)
		defer os.RemoveAll(dir)
		m := &machine{dir: dir, twin: twin{runs: map[string]*twinRun{}}}
		m.s, err = Open(dir, Options{})
		must(t, err == nil, "%v", err)
		defer func() { must(t, m.s.Close() == nil, "closing") }()
		m.create(t)
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "create": m.create, "remove": m.remove, "commit": m.commit, "commit another": m.commit, "measure": m.measure,
			"status": m.setStatus, "reopen": m.reopen,
		})
	})
}
