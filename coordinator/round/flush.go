package round

// mayHold tells whether workers may keep results, to push them in one sum with later ones. With a deadline they push as
// they go, because what is not pushed then is lost.
func (m *Machine) mayHold() bool {
	p := m.plan.Policy
	quorate := p.Quorum > 0 && m.count[trained]+m.count[answered] >= p.Quorum
	return m.count[open] > 0 && p.Deadline == 0 && !quorate
}

// flush tells members to push that have no reason to wait: nobody may hold results any more, which has changed for
// everybody if that changed in this step, or nothing is open for them. That can have changed only for those whom
// this step concerns: a member that is not told although nothing is open for it has unfinished tasks, and is looked at
// when they are done.
func (m *Machine) flush(everybody bool) {
	ws := m.concerned()
	if everybody {
		ws = m.members
	}
	hold := m.mayHold()
	for _, w := range ws {
		if w.unflushed > 0 && !(hold && m.more(w)) {
			w.unflushed = 0
			m.say(Flush{w.ID, m.flushReason()})
		}
	}
}

func (m *Machine) flushReason() string {
	switch {
	case m.count[open] == 0:
		return "no task is open any more"
	case m.plan.Policy.Deadline > 0:
		return "the round has a deadline"
	case !m.mayHold():
		return "enough is trained for the quorum"
	}
	return "no task is open that it can serve"
}

// more tells whether an open shard may still come to w.
func (m *Machine) more(w *member) bool {
	for k := m.lowest; k < len(m.free); k++ {
		if m.free[k]&w.servable(k)&^w.failed.word(k) != 0 {
			return true
		}
	}
	return false
}
