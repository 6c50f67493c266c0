package round

import (
	"cmp"
	"slices"
	"time"
)

// member is a live session and what it has in hand.
type member struct {
	Worker
	serves bitset // nil: every shard
	failed bitset // shards refused from this name; nil: none
	held   bitset // assigned to it or trained by it

	unfinished int // assigned
	waiting    int // trained, not answered
	unflushed  int // of these, not yet told to push (at most; a result that is gone may have been one of either)
	done       int // trained in this session

	heard time.Duration // when it last finished something, or got a task after it had none

	batch   []int // what this step assigns
	touched bool
}

func (w *member) tasks() int { return w.unfinished + w.waiting }

func (w *member) canServe(i int) bool { return w.serves == nil || w.serves.has(i) }

// servable is word i of the shards that w can serve.
func (w *member) servable(i int) uint64 {
	if w.serves == nil {
		return ^uint64(0)
	}
	return w.serves[i]
}

func compareMembers(a, b *member) int { return cmp.Compare(a.ID, b.ID) }

func (m *Machine) search(id WorkerID) (int, bool) {
	return slices.BinarySearchFunc(m.members, id, func(w *member, id WorkerID) int { return cmp.Compare(w.ID, id) })
}

func (e Joined) apply(m *Machine) {
	at, known := m.search(e.Worker.ID)
	if known {
		return
	}
	w := &member{
		Worker: e.Worker,
		serves: e.Worker.Serves.among(m.plan.Invited),
		failed: m.failed[e.Worker.Name],
		held:   newBitset(len(m.state)),
	}
	w.Slots = max(w.Slots, 1)
	m.members = slices.Insert(m.members, at, w)
	m.byID[w.ID] = w
	m.slots += w.Slots
	m.all, m.stale = true, true
	if m.plan.Policy.TaskLimit > 0 {
		m.silentAt = m.clock // tasks of the silent may go to it
	}
}

func (e Lost) apply(m *Machine) {
	w := m.byID[e.ID]
	if w == nil {
		return
	}
	at, _ := m.search(e.ID)
	m.members = slices.Delete(m.members, at, at+1)
	delete(m.byID, e.ID)
	m.slots -= w.Slots
	m.all, m.stale = true, true
	if w.tasks() == 0 {
		return
	}
	shards := m.shards(w.held)
	for i := range w.held.all() {
		m.set(i, open, nil)
	}
	m.say(Reopened{shards, "worker " + w.Name + " is lost: " + e.Why})
}
