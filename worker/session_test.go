package worker_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fedrelu/fedrelu/proto/wire"
)

var errGone = status.Error(codes.Unavailable, "the coordinator goes")

// again admits the worker once more and returns what it says that it holds.
func (c *coordinator) again(s *setup, number uint64) (*session, []wire.Holding) {
	c.t.Helper()
	session := c.admit(number)
	session.say(s.start)
	return session, hear[wire.RunReady](session).Holding
}

func (s *setup) holding(round int, start []float32, ks ...int) wire.Holding {
	return wire.Holding{Round: round, Start: hashOf(start), Shards: ks}
}

func TestHeldResultsAreOfferedAndPushedAgainWithoutTraining(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start := s.model(1)
	hash := c.serve(start)
	// 1, 2 and 3, then 4: counted. 5 and 6: trained, their push breaks off.
	var counted []wire.PushedTask
	for _, ks := range [][]int{{1, 2, 3}, {4}} {
		session.say(s.assign(1, hash, ks...))
		session.hearTrained(ks...)
		session.say(wire.Flush{Key: s.key(1)})
		p := c.push(ks...)
		counted = append(counted, p.Tasks...)
		p.reply(wire.Counted, "")
	}
	session.say(s.assign(1, hash, 5, 6))
	session.hearTrained(5, 6)
	session.say(wire.Flush{Key: s.key(1)})
	broken := c.push(5, 6) // what was counted is one sum before anything else is pushed
	c.forget(hash)
	session.end(errGone)
	broken.fail(codes.Unavailable)

	session, holding := c.again(s, 2)
	if want := []wire.Holding{s.holding(1, start, 1, 2, 3, 4), s.holding(1, start, 5, 6)}; !reflect.DeepEqual(holding, want) {
		t.Fatalf("the worker holds %v, want %v", holding, want)
	}
	session.say(wire.Flush{Key: s.key(1)})
	held := c.push(1, 2, 3, 4)
	s.check(held, 1, start)
	if held.Session != 2 {
		t.Errorf("pushed in session %d, want 2", held.Session)
	}
	// A time that was measured once: these tasks were not trained again.
	if !reflect.DeepEqual(held.Tasks, counted) {
		t.Errorf("tasks %+v, want those of the first push %+v", held.Tasks, counted)
	}
	held.reply(wire.Counted, "")
	rest := c.push(5, 6)
	s.check(rest, 1, start)
	rest.reply(wire.Counted, "")

	// The coordinator fails again before it commits: all is held, in one sum if the last reply came before the end.
	session.end(errGone)
	session, holding = c.again(s, 3)
	var all []int
	for _, h := range holding {
		all = append(all, h.Shards...)
	}
	if !slices.Equal(all, []int{1, 2, 3, 4, 5, 6}) {
		t.Fatalf("the worker holds %v, want shards 1 to 6", holding)
	}
	// It lives and has counted them: it does not want them again.
	session.say(wire.Abandon{Key: s.key(1), Shards: all})
	session.end(errGone)
	session, holding = c.again(s, 4)
	if len(holding) > 0 {
		t.Errorf("the worker still holds %v", holding)
	}
	session.end(errGone)
	c.again(s, 5)
}

func TestPushThatBreaksOffIsMadeAgain(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start := s.model(1)
	hash := c.serve(start)
	session.say(s.assign(1, hash, 1, 2))
	session.hearTrained(1, 2)
	session.say(wire.Flush{Key: s.key(1)})
	c.push(1, 2).fail(codes.Unavailable) // in a session that lives: at once
	p := c.push(1, 2)
	session.say(s.assign(1, hash, 3)) // collects beside the push
	session.hearTrained(3)
	session.end(errGone)
	p.fail(codes.Unavailable)

	session, holding := c.again(s, 2)
	if want := []wire.Holding{s.holding(1, start, 1, 2), s.holding(1, start, 3)}; !reflect.DeepEqual(holding, want) {
		t.Fatalf("the worker holds %v, want %v", holding, want)
	}
	session.say(wire.Flush{Key: s.key(1)})
	for _, ks := range [][]int{{1, 2}, {3}} {
		p := c.push(ks...)
		s.check(p, 1, start)
		p.reply(wire.Counted, "")
	}
}

func TestHeldShardThatIsAssignedAgainIsTrainedAgain(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start := s.model(1)
	hash := c.serve(start)
	session.say(s.assign(1, hash, 1, 2, 3))
	session.hearTrained(1, 2, 3)
	session.end(errGone)
	session, _ = c.again(s, 2)
	session.say(s.assign(1, hash, 2, 4))
	if d := hear[wire.Dropped](session); !reflect.DeepEqual(d.Shards, []int{1, 3}) {
		t.Errorf("heard %+v, want shards 1 and 3 dropped", d)
	}
	session.hearTrained(2, 4)
	session.say(wire.Flush{Key: s.key(1)})
	s.check(c.push(2, 4), 1, start)
}

func TestNothingIsHeldOfAnotherStart(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	first, second := s.model(1), s.model(2)
	session.say(s.assign(1, c.serve(first), 1))
	session.hearTrained(1)
	session.say(s.assign(1, c.serve(second), 2))
	session.hearTrained(2)
	session.end(errGone)
	session, holding := c.again(s, 2)
	if want := []wire.Holding{s.holding(1, second, 2)}; !reflect.DeepEqual(holding, want) {
		t.Errorf("the worker holds %v, want %v", holding, want)
	}
	session.say(wire.CloseRun{Run: s.start.Run})
	session.end(errGone)
	if _, holding = c.again(s, 3); len(holding) > 0 {
		t.Errorf("the worker holds %v of a run that was closed", holding)
	}
}

func TestRefusedAndLatePushesAreForgotten(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(*push)
		want   string // in the reason of TaskFailed; empty: nothing is said
	}{
		{"late", func(p *push) { p.reply(wire.Late, "") }, ""},
		{"refused", func(p *push) { p.reply(wire.Refused, "payload_sha256") }, ""},
		{"not understood", func(p *push) { p.fail(codes.InvalidArgument) }, "scripted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c, session := begin(t, defaultSpec)
			start := s.model(1)
			hash := c.serve(start)
			session.say(s.assign(1, hash, 1, 2))
			session.hearTrained(1, 2)
			session.say(wire.Flush{Key: s.key(1)})
			test.answer(c.push(1, 2))
			for _, k := range []int{1, 2} {
				if test.want == "" {
					break
				}
				if f := hear[wire.TaskFailed](session); f.Shard != k || !strings.Contains(f.Reason, test.want) {
					t.Errorf("heard %+v, want shard %d to fail with %q", f, k, test.want)
				}
			}
			session.say(s.assign(1, hash, 3))
			session.hearTrained(3)
			session.say(wire.Flush{Key: s.key(1)})
			s.check(c.push(3), 1, start)
		})
	}
}

func TestFetchThatBreaksOffIsMadeAgain(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	c.fetches = make(chan *fetch)
	run(t, s.config(c))
	session := c.open(s, 1)
	hash := c.serve(s.model(1))
	session.say(s.assign(1, hash, 1))
	receive(t, "fetch", c.fetches).serve <- errGone // in a session that lives: at once
	receive(t, "fetch", c.fetches).serve <- nil
	session.hearTrained(1)
	second := c.serve(s.model(2))
	session.say(s.assign(2, second, 1))
	cut := receive(t, "fetch", c.fetches)
	session.end(errGone)
	session, _ = c.again(s, 2)
	cut.serve <- errGone
	session.say(s.assign(2, second, 1))
	receive(t, "fetch", c.fetches).serve <- nil
	session.hearTrained(1)
}

func TestHeartbeatsPassWhileAllSlotsTrain(t *testing.T) {
	s, c := newSetup(t, endlessSpec), newCoordinator(t)
	w := run(t, s.config(c))
	session := c.open(s, 1)
	session.say(s.assign(1, c.serve(s.model(1)), allShards()...))
	for range 20 {
		receive(t, "heartbeat", session.beats)
	}
	stopsWithinASecond(t, w)
	receive(t, "goodbye", session.left)
}

func TestStopLeavesNoHalfPush(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	w := run(t, s.config(c))
	session := c.open(s, 1)
	session.say(s.assign(1, c.serve(s.model(1)), 1, 2))
	session.hearTrained(1, 2)
	session.say(wire.Flush{Key: s.key(1)})
	c.push(1, 2) // whole at the coordinator, which does not answer
	stopsWithinASecond(t, w)
}

func TestStopsAlthoughTheCoordinatorHangs(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	c.fetches = make(chan *fetch)
	w := run(t, s.config(c))
	session := c.open(s, 1)
	session.say(s.assign(1, c.serve(s.model(1)), 1, 2))
	f := receive(t, "fetch", c.fetches)
	stopsWithinASecond(t, w)
	f.serve <- errGone
}

func TestTokenAndDataAreNotLogged(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	var log bytes.Buffer
	cfg := s.config(c)
	cfg.Token, cfg.Logger = []byte("the secret token"), logTo(&log)
	w := run(t, cfg)
	session := c.open(s, 1)
	session.say(s.assign(1, c.serve(s.model(1)), 1))
	session.hearTrained(1)
	stopsWithinASecond(t, w)
	if text := log.String(); strings.Contains(text, "secret") || !strings.Contains(text, "joined") {
		t.Errorf("log:\n%s", text)
	}
}
