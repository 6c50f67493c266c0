package round

// mayHold tells whether workers may keep results, to push them in one sum with later ones. With a deadline they push as
// they go, because what is not pushed then is lost.
func (m *Machine) mayHold() bool {
	p := m.plan.Policy
	quorate := p.Quorum > 0 && m.count[trained]+m.count[answered] >= p.Quorum
	return p.Deadline == 0 && !quorate
}

// flush tells members to push that have no reason to wait: they have nothing left to train and nothing is open for them,
// or nobody may hold results any more. everybody says that this has changed for all, and not only for those whom this
// step concerns.
func (m *Machine) flush(everybody bool) {
	ws := m.concerned()
	if everybody {
		ws = m.members
	}
	hold := m.mayHold()
	for _, w := range ws {
		if w.unflushed > 0 && !(hold && (w.unfinished > 0 || m.more(w))) {
			w.unflushed = 0
			m.say(Flush{w.ID, m.flushReason()})
		}
	}
}

func (m *Machine) flushReason() string {
	switch {
	case m.plan.Policy.Deadline > 0:
		return "the round has a deadline"
	case !m.mayHold():
		return "enough is trained for the quorum"
	case m.count[open] == 0:
		return "it has no task left, and none is open any more"
	}
	return "it has no task left, and none is open that it can serve"
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
