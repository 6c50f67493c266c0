package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/wire"
	"github.com/fedrelu/fedrelu/worker"
)

func TestAnotherRunTakesOver(t *testing.T) {
	s, c, session := begin(t, endlessSpec)
	c.fetches = make(chan *fetch, 1)
	hash := c.serve(s.model(1))
	session.say(s.assign(1, hash, allShards()...))
	(<-c.fetches).serve <- nil
	session.say(wire.Measure{Key: s.key(1), Shards: []int{1}, Start: hash, Model: hashOf(s.model(2)), Probe: 4})
	unfinished := receive(t, "fetch", c.fetches)

	// Another network on other data, while all slots train and a fetch is under way.
	writeData(t, s.data, 2)
	other := openSetup(t, s.data, strings.Replace(defaultSpec, "hidden: [8]", "hidden: [5]", 1))
	other.start.Run = "run-2"
	session.say(other.start)
	unfinished.serve <- errGone
	hear[wire.RunReady](session)
	c.fetches = nil
	start := other.model(1)
	session.say(other.assign(1, c.serve(start), 1, 2, 3))
	session.hearTrained(1, 2, 3)
	session.say(wire.Flush{Key: other.key(1)})
	other.check(c.push(1, 2, 3), 1, start)
}

func TestRunThatIsReplacedWhileItLoads(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	run(t, s.config(c))
	session := c.admit(1)
	last := s.start
	for _, name := range []string{"run-2", "run-3", "run-4"} {
		session.say(last)
		last.Run = name
	}
	session.say(wire.CloseRun{Run: "run-3"})
	session.say(last)
	for { // those before may be answered or not
		if ready := hear[wire.RunReady](session); ready.Run == last.Run {
			break
		}
	}
}

func TestWeightsThatExceedAWhole(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	a := s.assign(1, c.serve(s.model(1)), 1, 2)
	a.Tasks[0].Weight, a.Tasks[1].Weight = localsgd.One, localsgd.One
	session.say(a)
	seen := map[string]bool{}
	for len(seen) < 2 {
		switch m := receive(t, "message", session.heard).(type) {
		case wire.Trained:
			seen["trained"] = true
		case wire.TaskFailed:
			seen["failed"] = strings.Contains(m.Reason, "weight")
		}
	}
}

// TestCoordinatorThatDoesNotListen floods the worker with what it has to answer. It must stop reading, and come back when
// the session breaks.
func TestCoordinatorThatDoesNotListen(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	flood := wire.Assign{Key: wire.Key{Run: "another", Round: 1}}
	for k := range 20000 {
		flood.Tasks = append(flood.Tasks, wire.Task{Shard: k, Weight: 1})
	}
	for range 3 {
		session.say(flood)
	}
	hear[wire.TaskFailed](session)
	session.end(errGone)
	c.open(s, 2)
}

func TestTooManyMeasurements(t *testing.T) {
	s, c, session := begin(t, endlessSpec)
	hash := c.serve(s.model(1))
	session.say(s.assign(1, hash, allShards()...)) // no slot is free to measure
	for round := 1; ; round++ {
		session.say(wire.Measure{Key: s.key(round), Shards: allShards(), Start: hash, Model: hash, Probe: 4})
		select {
		case m := <-session.heard:
			if f, ok := m.(wire.DriftFailed); !ok || !strings.Contains(f.Reason, "4096 measurements wait") {
				t.Errorf("heard %+v", m)
			}
			return
		default:
		}
	}
}

func TestMalformedMessagesEndTheSession(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	run(t, s.config(c))
	first := c.join()
	first.say(wire.CloseRun{Run: "before Welcome"})
	session := c.open(s, 2)
	for _, raw := range []*fedreluv1.CoordinatorMessage{
		{},
		{Message: &fedreluv1.CoordinatorMessage_Assign{Assign: &fedreluv1.Assign{Run: "run-1"}}},
		{Message: &fedreluv1.CoordinatorMessage_Welcome{Welcome: &fedreluv1.Welcome{}}},
	} {
		if err := session.stream.Send(raw); err != nil {
			t.Fatal(err)
		}
		session = c.open(s, 3)
	}
	session.say(wire.Welcome{Session: 9, Heartbeat: 1e9, Lost: 1e9}) // out of place, but harmless
	start := s.model(1)
	session.say(s.assign(1, c.serve(start), 1))
	session.hearTrained(1)
}

func TestDirectoryThatCannotBe(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	cfg := s.config(c)
	cfg.Dir = filepath.Join(cfg.Dir, "file")
	if err := os.WriteFile(cfg.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.Open(cfg); err == nil || !strings.Contains(err.Error(), cfg.Dir) {
		t.Errorf("Open: %v, want an error that names %s", err, cfg.Dir)
	}
}

func TestModelInPiecesOfAnySize(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start := s.model(1)
	for _, size := range []int{1, 3, 4, 7, 64, 1 << 20} {
		c.chunk = size
		start[1] += 0.5
		session.say(s.assign(size, c.serve(start), 2))
		session.hearTrained(2)
		session.say(wire.Flush{Key: s.key(size)})
		p := c.push(2)
		s.check(p, size, start)
		p.reply(wire.Counted, "")
	}
}
