package worker_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/proto/wire"
)

// States that stay with a worker outlive sessions, ends of the process and a run that is stopped. They go when the coordinator says
// that their run has ended for good, and then only they.
func TestStatesGoWhenTheirRunIsOver(t *testing.T) {
	s, c := newSetup(t, strings.Replace(defaultSpec, "{steps: 4", "{keep_state: true, steps: 4", 1)+"state: worker\n"), newCoordinator(t)
	cfg := s.config(c)
	first := run(t, cfg)
	session := c.admit(1)
	if kept := session.hello.Kept; len(kept) != 0 {
		t.Errorf("a new worker keeps states of %v", kept)
	}
	ready := func(id string) int {
		s.start.Run = id
		session.say(s.start)
		return len(hear[wire.RunReady](session).States)
	}
	for _, id := range []string{"run-1", "run-2"} {
		if n := ready(id); n != 0 {
			t.Errorf("%s begins with %d states", id, n)
		}
		session.say(s.assign(1, c.serve(s.model(1)), 1))
		session.hearTrained(1)
		session.say(wire.CloseRun{Run: id})
	}
	if n := ready("run-1"); n != 1 {
		t.Errorf("%d states of a stopped run, want 1", n)
	}
	first.stop()
	if err := first.wait(); err != nil {
		t.Fatal(err)
	}

	run(t, cfg)
	session = c.admit(2)
	if kept := session.hello.Kept; !slices.Equal(kept, []string{"run-1", "run-2"}) {
		t.Errorf("a worker that was started again keeps states of %v", kept)
	}
	session.say(wire.CloseRun{Run: "run-1", Over: true})
	if n := ready("run-1"); n != 0 {
		t.Errorf("%d states of a run that is over", n)
	}
	session.say(wire.CloseRun{Run: "run-1"})
	if n := ready("run-2"); n != 1 {
		t.Errorf("%d states of the other run, want 1", n)
	}
}
