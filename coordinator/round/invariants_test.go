package round

import (
	"fmt"
	"slices"
)

// check compares everything that the machine keeps for speed with what follows from state and holder alone.
func (m *Machine) check() error {
	var count [states]int
	held := map[*member]*member{}
	for i, s := range m.state {
		count[s]++
		if m.free.has(i) != (s == open) || m.missing.has(i) != (s != answered && s != leftOut) {
			return fmt.Errorf("position %d is in state %d, free %t, missing %t", i, s, m.free.has(i), m.missing.has(i))
		}
		if s == open && i/64 < m.lowest {
			return fmt.Errorf("open position %d is below the lowest word %d", i, m.lowest)
		}
		if s != assigned && s != trained {
			continue
		}
		w := m.holder[i]
		if m.byID[w.ID] != w || !w.canServe(i) || !w.held.has(i) {
			return fmt.Errorf("position %d is held by %q: live %t, serves it %t, knows it %t",
				i, w.Name, m.byID[w.ID] == w, w.canServe(i), w.held.has(i))
		}
		if held[w] == nil {
			held[w] = &member{}
		}
		if s == assigned {
			held[w].unfinished++
		} else {
			held[w].waiting++
		}
	}
	if count != m.count {
		return fmt.Errorf("counts are %v, kept as %v", count, m.count)
	}
	return m.checkMembers(held)
}

func (m *Machine) checkMembers(held map[*member]*member) error {
	if len(m.members) != len(m.byID) || !slices.IsSortedFunc(m.members, compareMembers) {
		return fmt.Errorf("%d members in order, %d by ID", len(m.members), len(m.byID))
	}
	slots := 0
	for _, w := range m.members {
		slots += w.Slots
		want := held[w]
		if want == nil {
			want = &member{}
		}
		if w.unfinished != want.unfinished || w.waiting != want.waiting || w.held.count() != w.tasks() || w.unflushed > w.waiting {
			return fmt.Errorf("worker %q: %d assigned, %d trained, %d held; kept as %d, %d, %d not told to push",
				w.Name, want.unfinished, want.waiting, w.held.count(), w.unfinished, w.waiting, w.unflushed)
		}
	}
	if slots != m.slots {
		return fmt.Errorf("%d slots, kept as %d", slots, m.slots)
	}
	return nil
}

// checkProgress says what would make a round stand still after a step: a worker that could take an open task and has not
// enough to do, or results that nobody will ask for.
func (m *Machine) checkProgress() error {
	for _, w := range m.members {
		if m.more(w) && w.unfinished < 2*w.Slots {
			return fmt.Errorf("worker %q has %d tasks for %d slots although something is open for it", w.Name, w.unfinished, w.Slots)
		}
		if w.unflushed > 0 && (!m.mayHold() || w.unfinished == 0) {
			return fmt.Errorf("worker %q holds results and nobody has told it to push", w.Name)
		}
	}
	for i := range m.free.all() {
		served, idle := false, true
		for _, w := range m.members {
			served = served || w.canServe(i)
			idle = idle && w.unfinished == 0
		}
		if served == m.orphans.has(i) {
			return fmt.Errorf("open position %d: served %t, orphan %t", i, served, m.orphans.has(i))
		}
		if served && idle {
			return fmt.Errorf("position %d is open and everybody idle", i)
		}
	}
	return nil
}
