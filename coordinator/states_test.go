package coordinator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// staying are runs whose shards have states that stay with their workers.
const staying = "local: {keep_state: true, optimizer: {sgd: {lr: 0.1, momentum: 0.9}}}\nstate: worker\nstate_deadline: 100ms\n"

// leaveIn makes a worker go, with all that it has, when a round begins.
func leaveIn(b *bench, round int) func(*hand) {
	return func(h *hand) {
		h.onAssign = func(m wire.Assign) bool {
			if m.Round < round {
				return true
			}
			b.Leave(h.s, ErrLost)
			return false
		}
	}
}

func TestStatesThatStay(t *testing.T) {
	s := parse(t, 3, staying)
	b := start(t, Config{})
	b.join("a", s, nil)
	run, rounds := b.wait(b.submit(s))
	if run.Status != record.Completed {
		t.Fatalf("%v: %q", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
	if last := rounds[3]; !last.StatesStay || len(last.ShardStates) != 4 {
		t.Errorf("recorded: stay %t, %d states", last.StatesStay, len(last.ShardStates))
	}
}

// A worker that goes for good takes its shards' states along: the run fails and says why, or begins them afresh and says
// so in its record.
func TestStatesThatAreLost(t *testing.T) {
	s := parse(t, 3, staying)
	b := start(t, Config{})
	id := b.submit(s)
	b.join("a", s, leaveIn(b, 2))
	b.until(id, 1)
	b.join("b", s, nil)
	run, _ := b.wait(id)
	if run.Status != record.Failed || !strings.Contains(run.Reason, "state_deadline") || !strings.Contains(run.Reason, "[0 1 2 3]") {
		t.Errorf("%v: %q", run.Status, run.Reason)
	}

	s = parse(t, 3, staying+"on_state_lost: fresh\n")
	b = start(t, Config{})
	id = b.submit(s)
	b.join("a", s, leaveIn(b, 2))
	b.until(id, 1)
	b.join("b", s, nil)
	run, rounds := b.wait(id)
	if run.Status != record.Completed {
		t.Fatalf("%v: %q", run.Status, run.Reason)
	}
	if got := rounds[2].FreshStates; !slices.Equal(got, []int{0, 1, 2, 3}) || rounds[1].FreshStates != nil || rounds[3].FreshStates != nil {
		t.Errorf("fresh in round 2: %v, in round 1: %v, in round 3: %v", got, rounds[1].FreshStates, rounds[3].FreshStates)
	}
	want := oracle(t, s)
	if rounds[1].Model != want[1] || rounds[2].Model == want[2] {
		t.Error("a fresh start changes the round in which it happens, and no other before")
	}
}

// TestPushesWithoutTheirStatesAreRefused: an update without its shard's state would lose it.
func TestPushesWithoutTheirStatesAreRefused(t *testing.T) {
	s := parse(t, 1, staying)
	b := start(t, Config{})
	b.join("bad", s, func(h *hand) {
		h.change = func(p *wire.Push, _ []byte) { clear(p.Tasks[0].State[:]) }
	})
	id := b.submit(s)
	run, _ := b.wait(id)
	if run.Status != record.Failed || !strings.Contains(run.Reason, "state_sha256") {
		t.Errorf("%v: %q", run.Status, run.Reason)
	}
}

// saidOver reads a session's messages up to the word that a run has ended for good, and returns which run.
func saidOver(t *testing.T, s *Session) string {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case m := <-s.Messages():
			if c, is := m.(wire.CloseRun); is && c.Over {
				return c.Run
			}
		case <-late:
			t.Fatal("nobody said that a run is over")
		}
	}
}

// Workers hear that a run has ended for good once that is stored: when it ends, or when they join with states of it. Of a run that nobody here knows they hear nothing.
func TestWorkersHearWhichRunsAreOver(t *testing.T) {
	s := parse(t, 1, staying)
	b := start(t, Config{})
	watcher, err := b.Join(b.hello("watcher"))
	if err != nil {
		t.Fatal(err)
	}
	b.join("a", s, nil)
	id := b.submit(s)
	b.wait(id)
	if got := saidOver(t, watcher); got != id {
		t.Errorf("over is %s, want %s", got, id)
	}
	hello := b.hello("late")
	hello.Kept = []string{"unknown", id}
	late, err := b.Join(hello)
	if err != nil {
		t.Fatal(err)
	}
	var said []wire.ToWorker
	for len(late.Messages()) > 0 {
		said = append(said, <-late.Messages())
	}
	if len(said) != 2 || said[1] != (wire.CloseRun{Run: id, Over: true}) {
		t.Errorf("a worker that joins with states of a completed run and an unknown one hears %+v", said)
	}
}
