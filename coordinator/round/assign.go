package round

import (
	"container/heap"
	"math/bits"
	"slices"
)

// maxBatch bounds a worker's unfinished tasks beyond two for each slot: what it takes with it when it dies.
const maxBatch = 64

// limit is how many unfinished tasks w may have: always one running and one waiting for each slot. With many open
// tasks it may have half of its share of them (guided self-scheduling: shares shrink towards the end of the round, which
// keeps the end balanced), but not more than it has done already, so that large batches go to workers that have shown
// that tasks are small.
func (m *Machine) limit(w *member) int {
	share := m.count[open] * w.Slots / (2 * m.slots)
	return max(2*w.Slots, min(share, w.done, maxBatch))
}

// taker is a member that takes tasks in this step, up to its limit.
type taker struct {
	*member
	limit int
}

// takers is a heap of takers with the least load for its slots first, then by ID.
type takers []taker

func (t takers) Len() int      { return len(t) }
func (t takers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t takers) Less(i, j int) bool {
	a, b := t[i], t[j]
	if x, y := a.unfinished*b.Slots, b.unfinished*a.Slots; x != y {
		return x < y
	}
	return a.ID < b.ID
}

// Push is never used: takers only leave.
func (t *takers) Push(any) { panic("round: a taker was pushed") }

// Pop removes the last element, as container/heap wants it.
func (t *takers) Pop() any {
	n := len(*t) - 1
	w := (*t)[n]
	*t = (*t)[:n]
	return w
}

// takers returns those of ws who get tasks: who is below half of its limit, so that tasks go out in batches, and in any
// case who has less than one waiting for each slot.
func (m *Machine) takers(ws []*member) takers {
	var ts takers
	for _, w := range ws {
		limit := m.limit(w)
		if w.unfinished <= max(limit/2, 2*w.Slots-1) {
			ts = append(ts, taker{w, limit})
		}
	}
	heap.Init(&ts)
	return ts
}

// concerned returns, by ID, the live members that this step may have given something to do.
func (m *Machine) concerned() []*member {
	if m.all {
		return m.members
	}
	slices.SortFunc(m.touched, compareMembers)
	return m.touched
}

// assign hands out open shards, the lowest first, one at a time to the taker with the least load for its slots.
func (m *Machine) assign() {
	if m.count[open] == 0 {
		return
	}
	ws := m.concerned()
	queue := m.takers(ws)
	for len(queue) > 0 {
		w := queue[0]
		i, ok := m.pick(w.member)
		if !ok {
			heap.Pop(&queue)
			continue
		}
		m.set(i, assigned, w.member)
		w.batch = append(w.batch, m.plan.Invited[i])
		if w.unfinished >= w.limit {
			heap.Pop(&queue)
		} else {
			heap.Fix(&queue, 0)
		}
	}
	for _, w := range ws {
		if len(w.batch) > 0 {
			slices.Sort(w.batch)
			m.say(Assign{w.ID, w.batch})
			w.batch = nil
		}
	}
}

// pick returns the lowest open position for w. What was refused from w goes to it again only when no other member can
// still be tried.
func (m *Machine) pick(w *member) (int, bool) {
	again := false
	for ; m.lowest < len(m.free) && m.free[m.lowest] == 0; m.lowest++ {
	}
	for k := m.lowest; k < len(m.free); k++ {
		can := m.free[k] & w.servable(k)
		again = again || can&w.failed.word(k) != 0
		if can &^= w.failed.word(k); can != 0 {
			return k*64 + bits.TrailingZeros64(can), true
		}
	}
	if !again {
		return 0, false
	}
	return m.pickAgain(w)
}

func (m *Machine) pickAgain(w *member) (int, bool) {
	for k := m.lowest; k < len(m.free); k++ {
		can := m.free[k] & w.servable(k) & w.failed.word(k)
		for _, u := range m.members {
			if can == 0 {
				break
			}
			can &^= u.servable(k) &^ u.failed.word(k)
		}
		if can != 0 {
			return k*64 + bits.TrailingZeros64(can), true
		}
	}
	return 0, false
}
