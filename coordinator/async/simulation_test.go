package async

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

// session is a worker as the owner sees it: what it was told, and what it has.
type session struct {
	worker  round.Worker
	tasks   []Task // to be trained
	results []Task // trained, held
}

func (s *session) forget(t Task) {
	gone := func(o Task) bool { return o == t }
	s.tasks, s.results = slices.DeleteFunc(s.tasks, gone), slices.DeleteFunc(s.results, gone)
}

// world plays workers and owner around a Machine, and keeps its own account of what was counted.
type world struct {
	*rapid.T
	m         *Machine
	plan      Plan
	shards    int
	now       time.Time
	round     int
	closed    *Close
	nextID    round.WorkerID
	live      map[round.WorkerID]*session
	brought   []Task // results of workers that were lost, which may come back
	counted   map[Task]bool
	inRound   []Task
	over      bool
	script    []scriptStep
	stale     int
	discarded int
}

type scriptStep struct {
	now    time.Time
	events []Event
	said   string
}

func newWorld(t *rapid.T) *world {
	w := &world{T: t, now: epoch, shards: rapid.IntRange(1, 12).Draw(t, "shards"), live: map[round.WorkerID]*session{}, counted: map[Task]bool{}}
	w.plan = Plan{
		Capacity: rapid.IntRange(1, w.shards).Draw(t, "capacity"), Oldest: rapid.IntRange(0, 3).Draw(t, "oldest"),
		Tasks: rapid.IntRange(1, w.shards).Draw(t, "tasks"), Policy: Policy{GiveUp: time.Minute, OnDivergence: round.LeaveOutShard},
	}
	if rapid.Bool().Draw(t, "impatient") {
		w.plan.TaskLimit = time.Duration(rapid.IntRange(1, 20).Draw(t, "task limit")) * time.Second
	}
	m, err := New(w.plan, w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.m = m
	w.open()
	return w
}

func (w *world) open() {
	w.round++
	e := Opened{Round: w.round}
	for _, k := range rapid.Permutation(slices.Collect(func(yield func(int) bool) {
		for k := range w.shards {
			if !yield(k) {
				return
			}
		}
	})).Draw(w.T, "order") {
		e.Candidates = append(e.Candidates, Task{w.round - 1, k})
	}
	w.closed, w.inRound = nil, nil
	w.step(e)
}

// step drives the machine, does to the sessions what it said, and looks whether anything stands still.
func (w *world) step(events ...Event) {
	actions := w.m.Step(w.now, events...)
	w.script = append(w.script, scriptStep{w.now, events, lines(actions)})
	for _, a := range actions {
		w.obey(a)
	}
	if w.closed == nil && !w.over {
		w.checkProgress()
	}
}

func (w *world) obey(a Action) {
	switch a := a.(type) {
	case Assign:
		s := w.live[a.ID]
		if a.Version != w.round-1 || w.closed != nil {
			w.Fatalf("%v in round %d, closed %t", a, w.round, w.closed != nil)
		}
		for _, k := range a.Shards {
			t := Task{a.Version, k}
			if w.counted[t] || !s.worker.Serves.Contains(k) {
				w.Fatalf("%v was assigned: counted %t, served by %v", t, w.counted[t], s.worker.Serves)
			}
			for _, o := range w.live {
				for _, has := range o.tasks {
					if has.Shard == k {
						w.Fatalf("%v was assigned while %v is trained", t, has)
					}
				}
			}
			s.tasks = append(s.tasks, t)
		}
		if len(s.tasks)+len(s.results) > s.worker.Slots {
			w.Fatalf("%q has %v and %v for %d slots", s.worker.Name, s.tasks, s.results, s.worker.Slots)
		}
	case Abandon:
		if s := w.live[a.ID]; s != nil {
			s.forget(a.Task)
		}
	case Close:
		w.closed = &a
		w.discarded += len(a.Discarded)
		if !slices.Equal(a.Counted, w.inRound) || len(a.Counted) != w.plan.Capacity {
			w.Fatalf("closed with %v, counted were %v of %d", a.Counted, w.inRound, w.plan.Capacity)
		}
	case Fail, GiveUp:
		w.over = true
	}
}

// checkProgress fails if a worker has a free slot though something could begin on it.
func (w *world) checkProgress() {
	training, busy := 0, map[int]bool{}
	for _, s := range w.live {
		training += len(s.tasks) + len(s.results)
		for _, t := range slices.Concat(s.tasks, s.results) {
			busy[t.Shard] = true
		}
	}
	if p := w.m.Progress(); p.Training+p.Trained != training {
		w.Fatalf("%+v, the workers have %d", p, training)
	}
	if training >= w.plan.Tasks || w.plan.TaskLimit > 0 {
		return
	}
	for _, s := range w.live {
		for k := range w.shards {
			t := Task{w.round - 1, k}
			if len(s.tasks)+len(s.results) < s.worker.Slots && !busy[k] && !w.m.done.of[t] && s.worker.Serves.Contains(k) && len(w.m.refused[k].from) == 0 {
				w.Fatalf("%q has a free slot, and %v could begin", s.worker.Name, t)
			}
		}
	}
}

func (w *world) sessions() []*session {
	var all []*session
	for _, id := range slices.Sorted(maps.Keys(w.live)) {
		all = append(all, w.live[id])
	}
	return all
}

// act makes one thing happen.
func (w *world) act() {
	w.now = w.now.Add(time.Duration(rapid.IntRange(0, 4).Draw(w.T, "passes")) * time.Second)
	all := w.sessions()
	what := rapid.IntRange(0, 12).Draw(w.T, "what")
	switch {
	case w.closed != nil && what < 6:
		w.open()
		return
	case len(all) == 0 || what == 0 && len(all) < 5:
		w.join()
		return
	}
	s := rapid.SampledFrom(all).Draw(w.T, "worker")
	id := s.worker.ID
	pick := func(from []Task) Task { return rapid.SampledFrom(from).Draw(w.T, "task") }
	switch {
	case what == 1:
		delete(w.live, id)
		w.brought = append(w.brought, s.results...)
		w.brought = append(w.brought, s.tasks...) // it goes on training
		w.step(Lost{id, "gone"})
	case what == 2 && len(s.tasks) > 0:
		t := pick(s.tasks)
		s.forget(t)
		w.step(Refused{id, t, "disk"})
	case what == 3 && len(s.tasks) > 0 && w.shards > w.plan.Capacity+2:
		t := pick(s.tasks)
		s.forget(t)
		w.counted[t] = true // never again
		w.step(Diverged{id, t, 1, "NaN"})
	case what == 4:
		w.step(Tick{})
	case what < 9 && len(s.tasks) > 0:
		t := pick(s.tasks)
		s.forget(t)
		s.results = append(s.results, t)
		w.step(Trained{id, t})
	case len(s.results) > 0:
		w.push(s, pick(s.results))
	}
}

func (w *world) join() {
	w.nextID++
	s := &session{worker: round.Worker{ID: w.nextID, Name: fmt.Sprint("w", w.nextID), Slots: rapid.IntRange(1, 3).Draw(w.T, "slots"), Serves: round.AllShards()}}
	w.live[w.nextID] = s
	events := []Event{Joined{s.worker}}
	held := min(len(w.brought), s.worker.Slots)
	for _, t := range w.brought[:held] {
		if slices.Contains(s.results, t) {
			continue
		}
		s.results = append(s.results, t)
		events = append(events, Holds{w.nextID, t})
	}
	w.brought = w.brought[held:]
	w.step(events...)
}

func (w *world) push(s *session, t Task) {
	err := w.m.Accepts(s.worker.ID, t)
	if err != nil {
		if w.closed == nil && !w.counted[t] {
			w.Fatalf("%v of %q: %v", t, s.worker.Name, err)
		}
		return
	}
	if age := w.round - 1 - t.Version; w.counted[t] || w.closed != nil || age > w.plan.Oldest || age < 0 {
		w.Fatalf("%v counts in round %d: counted before %t", t, w.round, w.counted[t])
	} else if age > 0 {
		w.stale++
	}
	w.counted[t] = true
	w.inRound = append(w.inRound, t)
	s.forget(t)
	w.step(Answered{s.worker.ID, t})
}

// Whatever happens in whatever order, a task counts once and in time, rounds are full, slots are used, and the same steps say
// the same again.
func TestWhateverHappensTheRulesHold(t *testing.T) {
	stale, discarded, rounds := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		for range rapid.IntRange(20, 200).Draw(rt, "length") {
			if w.over {
				break
			}
			w.act()
		}
		stale, discarded, rounds = stale+w.stale, discarded+w.discarded, rounds+w.round-1
		again, err := New(w.plan, epoch)
		if err != nil {
			rt.Fatal(err)
		}
		for _, s := range w.script {
			if said := lines(again.Step(s.now, s.events...)); said != s.said {
				rt.Fatalf("%v: said %s, then %s", s.events, s.said, said)
			}
		}
	})
	if stale == 0 || discarded == 0 || rounds == 0 {
		t.Errorf("%d rounds, %d stale updates, %d discarded: want some of all", rounds, stale, discarded)
	}
}
