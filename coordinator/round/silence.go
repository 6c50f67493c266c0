package round

import (
	"fmt"
	"time"
)

// A live worker may hold tasks and never answer them: it hangs, or it is far too slow. Once it has finished nothing for
// Policy.TaskLimit, those of its tasks and results that another worker may still be tried with go there, as if they had been
// refused, except that it is nobody's fault and counts as no refusal. So each worker is tried with a shard once before one is
// tried again, and a worker that nobody can stand in for is left alone, however long it takes.

// half is when a silence begins to be said.
func (p Policy) half() time.Duration { return max(p.TaskLimit/2, 1) }

// hear notes that a worker has finished something.
func (m *Machine) hear(w *member) {
	if w != nil {
		w.heard = m.clock
	}
}

// begins notes that a worker without tasks gets one.
func (m *Machine) begins(w *member) {
	if w.tasks() == 0 && m.plan.Policy.TaskLimit > 0 {
		w.heard = m.clock
		m.silentAt = min(m.silentAt, m.clock+m.plan.Policy.half())
	}
}

// reclaim looks for workers that are silent, if it is time to.
func (m *Machine) reclaim() {
	p := m.plan.Policy
	if p.TaskLimit == 0 || m.clock < m.silentAt {
		return
	}
	m.silentAt = never
	for _, w := range m.members {
		silent := m.clock - w.heard
		if w.tasks() > 0 && silent >= p.TaskLimit {
			m.takeBack(w)
		}
		switch {
		case w.tasks() == 0:
		case silent < p.half():
			m.silentAt = min(m.silentAt, w.heard+p.half())
		case silent < p.TaskLimit:
			m.silentAt = min(m.silentAt, w.heard+p.TaskLimit)
		default:
			m.silentAt = min(m.silentAt, m.clock+p.TaskLimit)
		}
	}
}

// takeBack reopens what w holds and others may do.
func (m *Machine) takeBack(w *member) {
	others := m.others(w)
	if others.count() == 0 {
		return
	}
	var at []int
	for i := range others.all() {
		at = append(at, i)
	}
	m.fail(w, at)
	m.say(Abandon{w.ID, m.shards(others), "another worker tries"})
	m.reopen(at, fmt.Sprintf("worker %s has finished nothing for %v", w.Name, m.clock-w.heard))
}

// others is what w holds and another member may still be tried with.
func (m *Machine) others(w *member) bitset {
	b := newBitset(len(m.state))
	for k := range b {
		for _, u := range m.members {
			if u != w {
				b[k] |= u.servable(k) &^ u.failed.word(k)
			}
		}
		b[k] &= w.held[k]
	}
	return b
}

// quietest returns the member that has been silent longest of those whose tasks may go to others, and from half of the limit
// on; nil if there is none.
func (m *Machine) quietest() *member {
	p := m.plan.Policy
	var found *member
	for _, w := range m.members {
		if p.TaskLimit == 0 || w.tasks() == 0 || m.clock-w.heard < p.half() || found != nil && w.heard >= found.heard {
			continue
		}
		if m.others(w).count() > 0 {
			found = w
		}
	}
	return found
}
