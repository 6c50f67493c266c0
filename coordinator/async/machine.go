package async

import (
	"fmt"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

// never is a moment that does not come.
const never = time.Duration(1<<63 - 1)

// Machine is the state of an asynchronous run. It is made by New and used by one goroutine.
type Machine struct {
	plan  Plan
	start time.Time
	clock time.Duration // since start

	round      int // that is open or closed; 0: none was opened yet
	closed     bool
	ended      bool
	candidates []Task
	only       bool
	counted    []Task      // in the open round
	discarded  []Discarded // since the last close

	members []*member // live sessions by ascending ID
	running map[Task]*running
	busy    map[int]int // by shard: its running tasks
	done    history     // what counted or diverged, and could come again
	refused map[int]refusals

	progress time.Duration // when the last update was counted, or the round opened
	still    time.Duration // since when nothing runs and nothing can begin; never: it does

	out []Action
}

// running is a task that a worker has begun or holds the result of.
type running struct {
	Task
	holder  *member
	trained bool
}

// refusals are those of a shard since it was last counted.
type refusals struct {
	count int
	from  []string // worker names
}

// New returns the machine of a run of which no round is open and no worker is known. The error wraps ErrPlan.
func New(plan Plan, now time.Time) (*Machine, error) {
	if err := plan.check(); err != nil {
		return nil, err
	}
	return &Machine{
		plan: plan, start: now, still: never, running: make(map[Task]*running), busy: make(map[int]int),
		done: history{of: make(map[Task]bool)}, refused: make(map[int]refusals),
	}, nil
}

// Step applies the events in their order at the time now, then looks at the clock, hands out tasks, and returns what is to be
// done, in order.
func (m *Machine) Step(now time.Time, events ...Event) []Action {
	if m.ended {
		return nil
	}
	m.out = nil
	m.clock = max(m.clock, now.Sub(m.start))
	for _, ev := range events {
		ev.apply(m)
		if m.ended {
			return m.out
		}
	}
	if m.reclaim(); m.open() {
		m.assign()
		m.decide()
	}
	return m.out
}

// Ended tells whether Fail or GiveUp was returned.
func (m *Machine) Ended() bool { return m.ended }

// open tells whether updates count and tasks begin.
func (m *Machine) open() bool { return m.round > 0 && !m.closed && !m.ended }

func (m *Machine) say(a Action) { m.out = append(m.out, a) }

// end takes all tasks away and ends the machine with its last action.
func (m *Machine) end(last Action) {
	for _, w := range m.members {
		for _, t := range w.tasks {
			m.say(Abandon{w.ID, t.Task, "the run does not go on"})
		}
	}
	m.say(last)
	m.ended = true
}

func (e Opened) apply(m *Machine) {
	m.round, m.closed, m.only, m.counted = e.Round, false, e.Only, nil
	m.candidates, m.progress, m.still = slices.Clone(e.Candidates), m.clock, never
	for _, t := range e.Counted {
		m.done.add(t)
	}
	m.done.forget(func(t Task) bool { return m.old(t) })
	for _, w := range m.members {
		for _, t := range slices.Clone(w.tasks) {
			if m.old(t.Task) {
				m.remove(t)
				m.discard(w, t.Task)
			}
		}
	}
}

// age is how many rounds before the newest model a task starts.
func (m *Machine) age(t Task) int { return m.round - 1 - t.Version }

func (m *Machine) old(t Task) bool { return m.age(t) > m.plan.Oldest }

// discard takes a task from a worker that has become too old, and notes it.
func (m *Machine) discard(w *member, t Task) {
	why := fmt.Sprintf("too old: %d rounds before the newest model, at most %d count", m.age(t), m.plan.Oldest)
	m.say(Abandon{w.ID, t, why})
	d := Discarded{t, why}
	m.say(d)
	m.discarded = append(m.discarded, d)
}

// begin notes that a worker has a task.
func (m *Machine) begin(w *member, t Task, trained bool) {
	if len(w.tasks) == 0 {
		w.heard = m.clock
	}
	r := &running{t, w, trained}
	m.running[t] = r
	m.busy[t.Shard]++
	w.tasks = append(w.tasks, r)
}

// remove undoes begin.
func (m *Machine) remove(t *running) {
	delete(m.running, t.Task)
	if m.busy[t.Shard]--; m.busy[t.Shard] == 0 {
		delete(m.busy, t.Shard)
	}
	t.holder.tasks = slices.DeleteFunc(t.holder.tasks, func(o *running) bool { return o == t })
}

// free removes a task that is lost.
func (m *Machine) free(t *running, why string) {
	m.remove(t)
	m.say(Freed{t.Task, why})
}

// decide fails a round that can never be full, and gives up one that nobody works for.
func (m *Machine) decide() {
	if len(m.running) > 0 {
		m.still = never
		return
	}
	left := 0
	for _, t := range m.candidates {
		if !m.done.of[t] {
			left++
		}
	}
	if missing := m.plan.Capacity - len(m.counted); left < missing {
		m.end(Fail{fmt.Sprintf("round %d waits for %d more updates, and the shards that are left are %d, since others have diverged: "+
			"lower the learning rate or clip the gradient", m.round, missing, left)})
		return
	}
	m.still = min(m.still, m.clock)
	if m.clock-m.still >= m.plan.GiveUp {
		m.end(GiveUp{fmt.Sprintf("no worker for any of %d shards for %v; the run can go on when there is one", left, m.plan.GiveUp)})
	}
}

// history is a set of tasks in the order in which they were added.
type history struct {
	list []Task
	of   map[Task]bool
}

func (h *history) add(t Task) {
	if !h.of[t] {
		h.of[t] = true
		h.list = append(h.list, t)
	}
}

func (h *history) forget(which func(Task) bool) {
	h.list = slices.DeleteFunc(h.list, func(t Task) bool {
		gone := which(t)
		if gone {
			delete(h.of, t)
		}
		return gone
	})
}

// Running returns the versions that running tasks start from, ascending.
func (m *Machine) Running() []int {
	var versions []int
	for _, w := range m.members {
		for _, t := range w.tasks {
			if at, found := slices.BinarySearch(versions, t.Version); !found {
				versions = slices.Insert(versions, at, t.Version)
			}
		}
	}
	return versions
}

// find returns what a live session has of a task, nil if it has nothing.
func (m *Machine) find(id round.WorkerID, t Task) *running {
	if r := m.running[t]; r != nil && r.holder.ID == id {
		return r
	}
	return nil
}
