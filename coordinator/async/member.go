package async

import (
	"cmp"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

// member is a live session and what it has in hand.
type member struct {
	round.Worker
	tasks []*running    // in the order of their beginning
	heard time.Duration // when it last finished something, or got a task after it had none
	mute  bool          // was silent for too long, and has finished nothing since
}

func (m *Machine) search(id round.WorkerID) (int, bool) {
	return slices.BinarySearchFunc(m.members, id, func(w *member, id round.WorkerID) int { return cmp.Compare(w.ID, id) })
}

func (m *Machine) member(id round.WorkerID) *member {
	if at, live := m.search(id); live {
		return m.members[at]
	}
	return nil
}

func (e Joined) apply(m *Machine) {
	at, known := m.search(e.Worker.ID)
	if known {
		return
	}
	w := &member{Worker: e.Worker}
	w.Slots = max(w.Slots, 1)
	m.members = slices.Insert(m.members, at, w)
}

func (e Lost) apply(m *Machine) {
	at, live := m.search(e.ID)
	if !live {
		return
	}
	w := m.members[at]
	m.members = slices.Delete(m.members, at, at+1)
	for _, t := range slices.Clone(w.tasks) {
		m.free(t, "worker "+w.Name+" is lost: "+e.Why)
	}
}

// hear notes that a worker has finished something.
func (m *Machine) hear(w *member) {
	if w != nil {
		w.heard, w.mute = m.clock, false
	}
}

// prefers tells whether a worker is one that a shard is tried with before all others.
func (m *Machine) prefers(w *member, shard int) bool {
	return w.Serves.Contains(shard) && !w.mute && !slices.Contains(m.refused[shard].from, w.Name)
}

// others tells whether a worker other than w is one to prefer for a shard.
func (m *Machine) others(w *member, shard int) bool {
	return slices.ContainsFunc(m.members, func(u *member) bool { return u != w && m.prefers(u, shard) })
}
