package round

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// session is a worker as the owner sees it through messages alone: what it was told, and what it did.
type session struct {
	worker  Worker
	tasks   map[int]bool // to be trained
	results map[int]bool // trained, held
	told    bool         // to push
}

// world plays workers and owner around a Machine, and keeps its own account of what was counted.
type world struct {
	*rapid.T
	m        *Machine
	plan     Plan
	now      time.Time
	nextID   WorkerID
	live     map[WorkerID]*session
	gone     map[WorkerID]*session
	counted  map[int]bool
	diverged map[int]bool
	last     Action // the one that ended the round
	script   []scriptStep
}

type scriptStep struct {
	now    time.Time
	events []Event
	said   string
}

func newWorld(t *rapid.T) *world {
	w := &world{T: t, now: epoch, live: map[WorkerID]*session{}, gone: map[WorkerID]*session{}, counted: map[int]bool{}, diverged: map[int]bool{}}
	w.plan = Plan{Round: 1, Policy: drawPolicy(t)}
	shard := -1
	for range rapid.OneOf(rapid.IntRange(1, 8), rapid.IntRange(60, 140)).Draw(t, "shards") {
		shard += rapid.SampledFrom([]int{1, 1, 1, 4}).Draw(t, "gap")
		w.plan.Invited = append(w.plan.Invited, shard)
	}
	m, err := New(w.plan, w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.m = m
	return w
}

func drawPolicy(t *rapid.T) Policy {
	p := Policy{GiveUp: 15 * time.Second, OnDivergence: LeaveOutShard}
	if rapid.IntRange(0, 9).Draw(t, "fail on divergence") == 0 {
		p.OnDivergence = FailRun
	}
	if rapid.Bool().Draw(t, "impatient") {
		p.TaskLimit = time.Duration(rapid.IntRange(1, 20).Draw(t, "task limit")) * time.Second
	}
	switch rapid.IntRange(0, 5).Draw(t, "policy") {
	case 0:
		p.Quorum = rapid.IntRange(1, 100).Draw(t, "quorum")
		p.Grace = time.Duration(rapid.IntRange(0, 5).Draw(t, "grace")) * time.Second
	case 1:
		p.Deadline = time.Duration(rapid.IntRange(1, 40).Draw(t, "deadline")) * time.Second
	case 2:
		p.Quorum, p.Deadline = rapid.IntRange(1, 100).Draw(t, "quorum"), 20*time.Second
	}
	return p
}

// step drives the machine, checks it, and does to the sessions what it said.
func (w *world) step(events ...Event) {
	actions := w.m.Step(w.now, events...)
	w.script = append(w.script, scriptStep{w.now, events, lines(actions)})
	if err := w.m.check(); err != nil {
		w.Fatalf("after %+v: %v", events, err)
	}
	for k, a := range actions {
		w.obey(a)
		if w.last != nil && k != len(actions)-1 {
			w.Fatalf("%v is not the last of %v", a, actions)
		}
	}
	if w.m.Ended() != (w.last != nil) {
		w.Fatalf("ended is %t after %v", w.m.Ended(), w.last)
	}
	if w.last == nil {
		if err := w.m.checkProgress(); err != nil {
			w.Fatalf("after %+v: %v", events, err)
		}
		w.checkWait()
	}
}

func (w *world) obey(a Action) {
	switch a := a.(type) {
	case Assign:
		w.assign(a)
	case Abandon:
		s := w.session(a.ID)
		for _, shard := range a.Shards {
			delete(s.tasks, shard)
			delete(s.results, shard)
		}
	case Flush:
		w.session(a.ID).told = true
	case LeftOut:
		w.diverged[a.Shard] = true
	case Close:
		w.last = a
		w.checkClose(a)
	case Fail, GiveUp:
		w.last = a
	}
}

func (w *world) session(id WorkerID) *session {
	s := w.live[id]
	if s == nil {
		w.Fatalf("an action for session %d, which is not live", id)
	}
	return s
}

func (w *world) assign(a Assign) {
	s := w.session(a.ID)
	for _, shard := range a.Shards {
		switch _, invited := slices.BinarySearch(w.plan.Invited, shard); {
		case !invited || !s.worker.Serves.Contains(shard):
			w.Fatalf("%v: not invited or not served (%v)", a, s.worker.Serves)
		case w.counted[shard] || w.diverged[shard]:
			w.Fatalf("%v: shard %d is counted or left out", a, shard)
		}
		s.tasks[shard] = true
	}
	if limit := max(2*s.worker.Slots, maxBatch); len(s.tasks) > limit {
		w.Fatalf("session %d has %d tasks, more than %d", a.ID, len(s.tasks), limit)
	}
}

func (w *world) checkClose(c Close) {
	all := slices.Sorted(slices.Values(slices.Concat(c.Answered, c.Missing)))
	if !slices.Equal(all, w.plan.Invited) {
		w.Fatalf("%v: answered and missing are not the invited %v", c, w.plan.Invited)
	}
	if want := slices.Sorted(maps.Keys(w.counted)); len(want) == 0 || !slices.Equal(c.Answered, want) {
		w.Fatalf("%v: the owner has counted %v", c, want)
	}
	var absent []int
	for _, a := range c.Absent {
		absent = append(absent, a.Shards...)
	}
	if slices.Sort(absent); !slices.Equal(absent, c.Missing) || len(c.Took) != len(w.plan.Invited)-len(c.Diverged) {
		w.Fatalf("%v: %v are missing, the reasons are of %v; %d times", c, c.Missing, absent, len(c.Took))
	}
	if want := slices.Sorted(maps.Keys(w.diverged)); !slices.Equal(c.Diverged, want) {
		w.Fatalf("%v: the diverged are %v", c, want)
	}
	if c.Cause == ByAll != slices.Equal(c.Missing, c.Diverged) {
		w.Fatalf("%v: wrong cause", c)
	}
}

func (w *world) checkWait() {
	wait := w.m.Wait()
	if wait.Reason == "" || len(wait.Shards) == 0 || wait.Since.After(w.now) {
		w.Fatalf("the round goes on, and waits for %+v at %v", wait, w.now)
	}
	if wake, ok := w.m.Wake(); ok && !wake.After(w.now) {
		w.Fatalf("it wants to wake at %v, and it is %v", wake, w.now)
	}
}

// push pushes shards as one sum and counts it if it may; otherwise it behaves as a worker that has only the sum.
func (w *world) push(id WorkerID, shards []int) {
	slices.Sort(shards)
	err := w.m.Accepts(id, shards)
	var partly *PartlyCounted
	s := w.live[id]
	switch {
	case err == nil:
		for _, shard := range shards {
			if w.counted[shard] || w.diverged[shard] || w.live[id] == nil {
				w.Fatalf("a push of %v by %d was accepted", shards, id)
			}
			w.counted[shard] = true
		}
		w.forget(s, shards)
		w.step(Answered{id, shards})
	case errors.As(err, &partly):
		w.forget(s, shards)
		w.step(Dropped{id, partly.Rest, err.Error()})
	case errors.Is(err, ErrSession), errors.Is(err, ErrCounted), errors.Is(err, ErrEnded), errors.Is(err, ErrLeftOut):
		w.forget(s, shards)
		w.step(Dropped{id, shards, err.Error()})
	default:
		w.Fatalf("push of %v by %d: %v", shards, id, err)
	}
}

func (w *world) forget(s *session, shards []int) {
	if s == nil {
		return
	}
	for _, shard := range shards {
		delete(s.tasks, shard)
		delete(s.results, shard)
	}
}

func (w *world) join(worker Worker) *session {
	w.nextID++
	worker.ID = w.nextID
	s := &session{worker: worker, tasks: map[int]bool{}, results: map[int]bool{}}
	w.live[worker.ID] = s
	return s
}

// trainTasks turns tasks into results.
func (s *session) trainTasks(shards []int) Trained {
	for _, shard := range shards {
		delete(s.tasks, shard)
		s.results[shard] = true
	}
	return Trained{s.worker.ID, shards}
}

// settle adds a worker that serves everything, and lets everybody work as told, and only as told. It must close the round.
func (w *world) settle() {
	s := w.join(Worker{Name: "helper", Slots: 2, Serves: AllShards()})
	w.step(Joined{s.worker})
	for range 20*len(w.plan.Invited) + 20 {
		for _, id := range slices.Sorted(maps.Keys(w.live)) {
			s := w.live[id]
			if tasks := slices.Sorted(maps.Keys(s.tasks)); len(tasks) > 0 {
				w.step(s.trainTasks(tasks[:1]))
			}
			if s.told && len(s.results) > 0 {
				s.told = false
				w.push(id, slices.Collect(maps.Keys(s.results)))
			}
		}
		if wake, ok := w.m.Wake(); ok && len(w.plan.Invited) == len(w.counted)+len(w.diverged) {
			w.now = wake
		}
		w.step(Tick{})
		if w.last != nil {
			return
		}
	}
	w.Fatalf("the round does not end: %+v", w.m.Wait())
}

// replay feeds the same steps to a new machine: it must say the same.
func (w *world) replay() error {
	m, err := New(w.plan, epoch)
	if err != nil {
		return err
	}
	for k, s := range w.script {
		if said := lines(m.Step(s.now, s.events...)); said != s.said {
			return fmt.Errorf("step %d, %+v: said\n%s\nand in the replay\n%s", k, s.events, s.said, said)
		}
	}
	return nil
}

// TestSimulation plays random faults, then lets everybody work: all invariants hold after each step, the round ends, once,
// and the same steps give the same actions.
func TestSimulation(t *testing.T) {
	ends := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			if w.fault(); w.last != nil {
				break
			}
		}
		if w.last == nil {
			w.settle()
			if _, ok := w.last.(Close); !ok {
				t.Fatalf("everybody works, and the round ends with %v", w.last)
			}
		}
		if said := w.m.Step(w.now.Add(time.Hour), Joined{Worker{ID: 999, Name: "late"}}, Answered{999, w.plan.Invited}); said != nil {
			t.Fatalf("after its end the machine says %v", said)
		}
		if err := w.replay(); err != nil {
			t.Fatal(err)
		}
		end := fmt.Sprintf("%T", w.last)
		if c, ok := w.last.(Close); ok {
			end += " by " + c.Cause.String()
		}
		ends[end]++
	})
	t.Log("ends:", ends)
}
