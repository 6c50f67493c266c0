package coordinator

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// studied is a spec whose every round is studied.
func studied(t *testing.T, rounds int) *spec.Spec {
	t.Helper()
	s := parse(t, rounds, "")
	s.Studies.Set(spec.Updates, 1)
	return s
}

// answer lets a hand make studies: a reading that names the round.
func answer(h *hand) {
	h.onStudy = func(m wire.Study) {
		h.b.Deliver(h.s, wire.Studied{Key: m.Key, Readings: readingsOf(m.Round), Missing: []study.Missing{{Quantity: "q", Reason: "why"}}})
	}
}

func readingsOf(round int) []study.Reading {
	return []study.Reading{{Quantity: "update.norm", Shard: study.Average, Value: float64(round)}}
}

func checkStudied(t *testing.T, rounds []*record.RoundHistory) {
	t.Helper()
	for _, r := range rounds[1:] {
		if r.Measured == nil || !reflect.DeepEqual(r.Measured.Readings, readingsOf(r.Number)) || len(r.Measured.Missing) != 1 {
			t.Errorf("round %d: measured %+v", r.Number, r.Measured)
		}
	}
	if first := rounds[0].Measured; len(first.Readings)+len(first.Missing) > 0 {
		t.Errorf("round 0 was studied: %+v", first)
	}
}

// A study says what was measured of which tasks, and goes to whoever can make it when somebody cannot.
func TestStudiesGoToWhoCanMakeThem(t *testing.T) {
	s := studied(t, 4)
	b := start(t, Config{})
	orders := make(chan wire.Study, 40)
	var ready sync.WaitGroup // nobody trains before both are there
	ready.Add(2)
	wait := func(wire.Assign) bool { ready.Wait(); return true }
	b.join("unable", s, func(h *hand) {
		h.onReady, h.onAssign = ready.Done, wait
		h.onStudy = func(m wire.Study) { orders <- m; b.Deliver(h.s, wire.StudyFailed{Key: m.Key, Reason: "cannot"}) }
	})
	b.join("able", s, func(h *hand) {
		answer(h)
		h.onReady, h.onAssign = ready.Done, wait
	})
	run, rounds := b.wait(b.submit(s))
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
	checkStudied(t, rounds)
	if len(orders) == 0 {
		t.Error("only one of two workers was asked in four rounds")
	}
	for len(orders) > 0 {
		m := <-orders
		r := rounds[m.Round]
		var shards []int
		for i, task := range m.Tasks {
			shards = append(shards, task.Shard)
			if uint64(task.Weight) != r.Weights[i] {
				t.Errorf("round %d: shard %d has weight %d in the study, %d in the record", m.Round, task.Shard, task.Weight, r.Weights[i])
			}
		}
		if !slices.Equal(shards, r.Participants) || !slices.Equal(m.Shards, r.Measured.Drift.Shards) {
			t.Errorf("round %d: a study of shards %v with tasks of %v", m.Round, m.Shards, shards)
		}
		if m.Start != rounds[m.Round-1].Model || m.Model != r.Model || !slices.Equal(m.Studies, []string{"updates"}) {
			t.Errorf("round %d: study %+v", m.Round, m)
		}
	}
}

// A study that is due when the coordinator ends is made after its restart.
func TestStudiesAreMadeAfterARestart(t *testing.T) {
	s := studied(t, 3)
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	id := b.submit(s)
	for range 3 {
		asked := make(chan struct{}, 10)
		b.join("a", s, func(h *hand) { h.onStudy = func(wire.Study) { asked <- struct{}{} } })
		<-asked
		b.end()
		b = start(t, Config{Dir: dir, Resume: true})
	}
	b.join("a", s, answer)
	run, rounds := b.wait(id)
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
	checkStudied(t, rounds)
	b.end()
	report, err := store.Verify(dir)
	if err != nil || !report.OK() {
		t.Errorf("verify: %v %v", err, report)
	}
}

// The record says why there is no study, and the run goes on.
func TestStudiesThatNobodyMakes(t *testing.T) {
	for why, script := range map[string]func(*bench, *hand){
		"cannot": func(b *bench, h *hand) {
			h.onStudy = func(m wire.Study) { b.Deliver(h.s, wire.StudyFailed{Key: m.Key, Reason: "cannot"}) }
		},
		"no worker could make it": func(b *bench, h *hand) {
			h.onStudy = func(wire.Study) { b.Leave(h.s, ErrLost) }
		},
	} {
		t.Run(why, func(t *testing.T) {
			s := studied(t, 1)
			b := start(t, Config{MeasureGiveUp: 30 * time.Millisecond})
			b.join("a", s, func(h *hand) { script(b, h) })
			run, rounds := b.wait(b.submit(s))
			if run.Status != record.Completed || len(rounds) != 2 {
				t.Fatalf("%v: %q", run.Status, run.Reason)
			}
			m := rounds[1].Measured
			if m == nil || len(m.Missing) != 1 || m.Missing[0].Quantity != "updates" || !strings.Contains(m.Missing[0].Reason, why) {
				t.Errorf("measured %+v", m)
			}
		})
	}
}
