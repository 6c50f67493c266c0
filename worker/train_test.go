package worker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

func allShards() []int {
	ks := make([]int, shards)
	for k := range ks {
		ks[k] = k
	}
	return ks
}

func TestSumOfAllShardsAfterOneFetch(t *testing.T) {
	for _, slots := range []int{1, 2, 5} {
		t.Run(fmt.Sprintf("%d slots", slots), func(t *testing.T) {
			s, c := newSetup(t, defaultSpec), newCoordinator(t)
			cfg := s.config(c)
			cfg.Slots = slots
			run(t, cfg)
			session := c.open(s, 7)
			start := s.model(1)
			hash := c.serve(start)
			session.say(s.assign(1, hash, allShards()...))
			session.hearTrained(allShards()...)
			session.say(wire.Flush{Key: s.key(1)})
			p := c.push(allShards()...)
			s.check(p, 1, start)
			if p.Session != 7 {
				t.Errorf("pushed in session %d, want 7", p.Session)
			}
			p.reply(wire.Counted, "")
			if n := c.fetchCount(hash); n != 1 {
				t.Errorf("the start was fetched %d times, want once", n)
			}
		})
	}
}

func TestPushesWhatIsThereWhenFlushed(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start := s.model(1)
	hash := c.serve(start)
	session.say(wire.Flush{Key: s.key(1)}) // of a round that the worker does not know
	var last *push
	for _, ks := range [][]int{{3}, {1, 2}, {0, 5, 9}} {
		session.say(s.assign(1, hash, ks...))
		session.hearTrained(ks...)
		session.say(wire.Flush{Key: s.key(1)})
		p := c.push(ks...)
		s.check(p, 1, start)
		// The next task is done while this push is under way.
		if last != nil {
			last.reply(wire.Counted, "")
		}
		p.reply(wire.Duplicate, "")
	}
	session.say(wire.Flush{Key: s.key(1)}) // nothing is left
	session.say(s.assign(1, hash, 4))
	session.hearTrained(4)
	session.say(wire.Flush{Key: s.key(1)})
	s.check(c.push(4), 1, start)
}

func TestPushesByItselfAfterSomeTraining(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	cfg := s.config(c)
	cfg.PushAfter = 1
	run(t, cfg)
	session := c.open(s, 1)
	start := s.model(1)
	session.say(s.assign(1, c.serve(start), 2))
	p := c.push(2)
	s.check(p, 1, start)
	p.reply(wire.Counted, "")
}

func TestPushesEachUpdateAloneWhereSumsAreNotWanted(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start := s.model(1)
	a := s.assign(1, c.serve(start), allShards()...)
	a.Sum = false
	session.say(a)
	missing := map[int]bool{}
	for _, k := range allShards() {
		missing[k] = true
	}
	defer session.ignore()() // Trained is said too, whenever
	for len(missing) > 0 {
		p := receive(t, "push", c.pushes)
		if p.err != nil || len(p.Tasks) != 1 || !missing[p.Tasks[0].Shard] {
			t.Fatalf("push of %v: %v", p.Tasks, p.err)
		}
		s.check(p, 1, start)
		delete(missing, p.Tasks[0].Shard)
		p.reply(wire.Counted, "")
	}
}

func TestNextRoundForgetsTheLast(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	first, second := s.model(1), s.model(2)
	session.say(s.assign(1, c.serve(first), 1, 2))
	session.hearTrained(1, 2)
	// Nobody asked for these: the round closed without them.
	session.say(s.assign(2, c.serve(second), 2, 3))
	session.hearTrained(2, 3)
	session.say(wire.Flush{Key: s.key(1)})
	session.say(wire.Flush{Key: s.key(2)})
	s.check(c.push(2, 3), 2, second)
}

func TestAbandonedShardMakesItsSumVoid(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start := s.model(1)
	hash := c.serve(start)
	session.say(s.assign(1, hash, 1, 2, 3))
	session.hearTrained(1, 2, 3)
	session.say(wire.Abandon{Key: s.key(1), Shards: []int{2}})
	if d := hear[wire.Dropped](session); !reflect.DeepEqual(d.Shards, []int{1, 2, 3}) || d.Key != s.key(1) || d.Reason == "" {
		t.Errorf("heard %+v, want shards 1, 2 and 3 dropped", d)
	}
	session.say(s.assign(1, hash, 3, 4))
	session.hearTrained(3, 4)
	session.say(wire.Flush{Key: s.key(1)})
	s.check(c.push(3, 4), 1, start)
}

func TestAbandonedPushIsBrokenOff(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start := s.model(1)
	hash := c.serve(start)
	session.say(s.assign(1, hash, 1, 2))
	session.hearTrained(1, 2)
	session.say(wire.Flush{Key: s.key(1)})
	c.push(1, 2) // is not answered
	session.say(wire.Abandon{Key: s.key(1), Shards: []int{1}})
	if d := hear[wire.Dropped](session); !reflect.DeepEqual(d.Shards, []int{1, 2}) {
		t.Errorf("heard %+v, want shards 1 and 2 dropped", d)
	}
	session.say(s.assign(1, hash, 2))
	session.hearTrained(2)
	session.say(wire.Flush{Key: s.key(1)})
	s.check(c.push(2), 1, start)
}

func TestAbandonStopsTraining(t *testing.T) {
	s, c, session := begin(t, endlessSpec)
	hash := c.serve(s.model(1))
	// More tasks than slots: some train, some wait. When all are abandoned the slots are free to measure.
	session.say(s.assign(1, hash, 0, 1, 2, 3))
	session.say(wire.Abandon{Key: s.key(1), Shards: []int{0, 1, 2, 3}})
	if d := hear[wire.Dropped](session); !reflect.DeepEqual(d.Shards, []int{0, 1, 2, 3}) {
		t.Errorf("heard %+v, want all shards dropped", d)
	}
	session.say(wire.Measure{Key: s.key(1), Shards: []int{shards}, Start: hash, Model: hash, Probe: 4})
	if f := hear[wire.DriftFailed](session); f.Shard != shards {
		t.Errorf("heard %+v", f)
	}
}

func TestDivergedTaskIsReportedAsSuch(t *testing.T) {
	s, c, session := begin(t, strings.Replace(defaultSpec, "lr: 0.1", "lr: 1.0e+12", 1))
	session.say(s.assign(1, c.serve(s.model(1)), 4))
	d := hear[wire.Diverged](session)
	if d.Key != s.key(1) || d.Shard != 4 || d.Step < 1 || d.Detail == "" {
		t.Errorf("heard %+v", d)
	}
}

func TestAssignmentsOutOfPlace(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	cfg := s.config(c)
	cfg.Shards = []wire.Range{{First: 0, Last: 3}, {First: 12, Last: 20}}
	run(t, cfg)
	session := c.open(s, 1)
	hash := c.serve(s.model(1))
	other := s.assign(1, hash, 1)
	other.Run = "another"
	for _, test := range []struct {
		name   string
		assign wire.Assign
		shard  int
		want   string
	}{
		{"another run", other, 1, "not open"},
		{"round 0", s.assign(0, hash, 1), 1, "not open"},
		{"a shard outside the run", s.assign(1, hash, 12), 12, "the run has 12 shards"},
		{"a shard that is not served", s.assign(1, hash, 5), 5, "does not serve"},
	} {
		t.Run(test.name, func(t *testing.T) {
			session.say(test.assign)
			if f := hear[wire.TaskFailed](session); f.Shard != test.shard || f.Key != test.assign.Key || !strings.Contains(f.Reason, test.want) {
				t.Errorf("heard %+v, want shard %d to fail with %q", f, test.shard, test.want)
			}
		})
	}
}

func TestModelThatCannotBeHad(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	good, notFinite := s.model(1), s.model(2)
	notFinite[3] /= 0 * notFinite[3]
	hash := c.serve(good)
	wrong := tensor.Hash{1}
	c.models[wrong] = good
	short := tensor.Hash{2}
	c.models[short] = good[1:]
	for _, test := range []struct {
		name, want string
		start      tensor.Hash
	}{
		{"unknown", "no model", tensor.Hash{3}},
		{"other bytes", "not the model that was asked for", wrong},
		{"too short", "chunk.total", short},
		{"not finite", "not the model that was asked for", c.serve(notFinite)},
	} {
		t.Run(test.name, func(t *testing.T) {
			session.say(s.assign(1, test.start, 1, 2))
			for _, k := range []int{1, 2} {
				if f := hear[wire.TaskFailed](session); f.Shard != k || !strings.Contains(f.Reason, test.want) {
					t.Errorf("heard %+v, want shard %d to fail with %q", f, k, test.want)
				}
			}
		})
	}
	session.say(s.assign(1, hash, 1))
	session.hearTrained(1)
}

func TestRunIsRefusedInWords(t *testing.T) {
	for _, test := range []struct {
		name, want string
		change     func(*setup)
	}{
		{"other data", "training features differ", func(s *setup) { s.start.Data.TrainX = tensor.Hash{1} }},
		{"other labels", "training labels or groups differ", func(s *setup) { s.start.Data.TrainY = tensor.Hash{1} }},
		{"another network", "layout", func(s *setup) { s.start.Layout = tensor.Hash{1} }},
		{"no spec", "spec", func(s *setup) { s.start.Spec = []byte("nonsense") }},
		{"more shards than examples", "shards", func(s *setup) {
			s.start.Spec = openSpec(s.t, strings.Replace(defaultSpec, "count: 12", "count: 121", 1)).Proto()
		}},
		{"no data", "train.safetensors", func(s *setup) {
			if err := os.Remove(filepath.Join(s.data, "train.safetensors")); err != nil {
				s.t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c := newSetup(t, defaultSpec), newCoordinator(t)
			test.change(s)
			run(t, s.config(c))
			session := c.admit(1)
			session.say(s.start)
			r := hear[wire.RunRefused](session)
			if r.Run != s.start.Run || !strings.Contains(r.Reason, test.want) {
				t.Errorf("heard %+v, want a reason with %q", r, test.want)
			}
		})
	}
}

func TestDataThatWerePutRightAreReadAgain(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	writeData(t, s.data, 2)
	run(t, s.config(c))
	session := c.admit(1)
	session.say(s.start)
	hear[wire.RunRefused](session)
	writeData(t, s.data, 1)
	session.say(s.start)
	if ready := hear[wire.RunReady](session); s.start.Data.Check(ready.Data) != nil {
		t.Errorf("ready with other data")
	}
}

func TestLoadsOnceForRunsAndSessionsOnTheSameData(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	if err := os.Remove(filepath.Join(s.data, "train.safetensors")); err != nil {
		t.Fatal(err)
	}
	session.say(wire.CloseRun{Run: s.start.Run})
	s.start.Run = "run-2"
	session.say(s.start)
	hear[wire.RunReady](session)
	session.end(status.Error(codes.Unavailable, "gone"))
	session = c.open(s, 2)
	start := s.model(1)
	session.say(s.assign(1, c.serve(start), 1))
	session.hearTrained(1)
	session.say(wire.Flush{Key: s.key(1)})
	s.check(c.push(1), 1, start)
}
