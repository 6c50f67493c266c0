package round

import (
	"slices"
	"time"
)

// state is where a shard stands; each has exactly one.
type state uint8

const (
	open state = iota
	assigned
	trained
	answered
	leftOut
	states
)

// never is a moment that does not come.
const never = time.Duration(1<<63 - 1)

// Machine is the state of one round. It is made by New and used by one goroutine.
type Machine struct {
	plan  Plan
	start time.Time
	clock time.Duration // since start; all moments inside are kept like this

	// By position in plan.Invited.
	state    []state
	holder   []*member // who has it assigned or trained, or whose push was counted; nil: nobody, or a lost session
	refusals []uint8
	count    [states]int
	free     bitset // open shards
	lowest   int    // no word of free below this one has a bit
	missing  bitset // neither answered nor left out

	members []*member // live sessions by ascending ID
	byID    map[WorkerID]*member
	failed  map[string]bitset // by worker name: the shards that were refused from it
	slots   int               // of all members

	orphans  bitset          // missing shards that no member can serve
	orphaned []time.Duration // since when, valid for orphans
	giveUpAt time.Duration
	quorumAt time.Duration // when the quorum was reached
	progress time.Duration // when the last shard was answered, or the start
	overtime bool          // the deadline passed without an answer
	silentAt time.Duration // no worker is silent for long before

	answeredAt []time.Duration // by position

	ended bool
	step
}

// step is what one call of Step collects.
type step struct {
	out     []Action
	touched []*member // their load changed
	all     bool      // everybody has to be looked at: shards were reopened, or the membership changed
	stale   bool      // the orphans have to be found anew
}

// New starts a round in which every invited shard is open and no worker is known. The error wraps ErrPlan.
func New(plan Plan, now time.Time) (*Machine, error) {
	if err := plan.check(); err != nil {
		return nil, err
	}
	plan.Invited = slices.Clone(plan.Invited)
	n := len(plan.Invited)
	m := &Machine{
		plan:     plan,
		start:    now,
		state:    make([]state, n),
		holder:   make([]*member, n),
		refusals: make([]uint8, n),
		free:     fullBitset(n),
		missing:  fullBitset(n),
		byID:     make(map[WorkerID]*member),
		failed:   make(map[string]bitset),
		orphans:  newBitset(n),
		orphaned: make([]time.Duration, n),
		quorumAt: never,
		silentAt: never,

		answeredAt: make([]time.Duration, n),
	}
	m.count[open] = n
	m.findOrphans()
	return m, nil
}

// Step applies the events in their order at the time now, then looks at the clock, hands out open tasks, and returns
// what is to be done, in order. Events that belong together (a worker that joined and what it holds, all workers at the
// start of a round) go into one step, so that tasks are spread over all of them.
func (m *Machine) Step(now time.Time, events ...Event) []Action {
	if m.ended {
		return nil
	}
	m.begin()
	m.clock = max(m.clock, now.Sub(m.start))
	if d := m.plan.Policy.Deadline; d > 0 && m.clock >= d && m.count[answered] == 0 {
		m.overtime = true
	}
	held, tasks := m.mayHold(), m.count[open] > 0
	for _, ev := range events {
		ev.apply(m)
		if m.ended {
			return m.out
		}
	}
	if m.stale {
		m.findOrphans()
	}
	if m.decide(); m.ended {
		return m.out
	}
	m.reclaim()
	m.assign()
	m.flush(held && !m.mayHold() || tasks && m.count[open] == 0)
	return m.out
}

// begin forgets what the previous step collected.
func (m *Machine) begin() {
	for _, w := range m.touched {
		w.touched = false
	}
	m.step = step{touched: m.touched[:0]}
}

// Ended tells whether Close, Fail or GiveUp was returned.
func (m *Machine) Ended() bool { return m.ended }

func (m *Machine) say(a Action) { m.out = append(m.out, a) }

// end takes all tasks away and ends the machine with its last action.
func (m *Machine) end(last Action, why string) {
	for _, w := range m.members {
		if w.tasks() > 0 {
			m.say(Abandon{w.ID, m.shards(w.held), why})
		}
	}
	m.say(last)
	m.ended = true
}

// position finds a shard among the invited.
func (m *Machine) position(shard int) (int, bool) {
	return slices.BinarySearch(m.plan.Invited, shard)
}

func (m *Machine) shards(set bitset) []int {
	var shards []int
	for i := range set.all() {
		shards = append(shards, m.plan.Invited[i])
	}
	return shards
}

func (m *Machine) with(s state) []int {
	shards := make([]int, 0, m.count[s])
	for i, have := range m.state {
		if have == s {
			shards = append(shards, m.plan.Invited[i])
		}
	}
	return shards
}

// set moves position i to a state and a holder, and keeps every count and set true. It is the only place that does.
func (m *Machine) set(i int, to state, w *member) {
	m.leave(i)
	m.state[i], m.holder[i] = to, w
	m.count[to]++
	switch to {
	case open:
		m.free.add(i)
		m.lowest = min(m.lowest, i/64)
		m.all = true
	case assigned:
		m.begins(w)
		w.held.add(i)
		w.unfinished++
	case trained:
		m.begins(w)
		w.held.add(i)
		w.waiting++
		w.unflushed++
	case answered, leftOut:
		m.answeredAt[i] = m.clock
		m.missing.remove(i)
		m.stale = m.stale || to == leftOut || m.orphans.has(i)
	}
}

// leave undoes what set did for the state that position i is in.
func (m *Machine) leave(i int) {
	w := m.holder[i]
	m.count[m.state[i]]--
	switch m.state[i] {
	case open:
		m.free.remove(i)
	case assigned:
		w.held.remove(i)
		w.unfinished--
		m.touch(w)
	case trained:
		w.held.remove(i)
		w.waiting--
		w.unflushed = min(w.unflushed, w.waiting)
		m.touch(w)
	}
}

func (m *Machine) touch(w *member) {
	if !w.touched {
		w.touched = true
		m.touched = append(m.touched, w)
	}
}
