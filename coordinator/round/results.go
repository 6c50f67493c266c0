package round

import "fmt"

func (e Trained) apply(m *Machine) {
	w := m.byID[e.ID]
	if w == nil {
		return
	}
	m.hear(w)
	for _, s := range e.Shards {
		if i, ok := m.position(s); ok && m.state[i] == answered && m.holder[i] == w {
			continue // its push was faster
		}
		m.claimOrAbandon(w, []int{s}, "another worker has trained it first")
	}
}

func (e Holds) apply(m *Machine) {
	if w := m.byID[e.ID]; w != nil && len(e.Shards) > 0 {
		m.claimOrAbandon(w, e.Shards, "worker "+w.Name+" has come back with the result")
	}
}

// claimOrAbandon makes one result, of one shard or a sum of several, trained by w and takes its shards from whoever is
// still training them; if w can no longer be the one who answers all of them, it makes w abandon the result.
func (m *Machine) claimOrAbandon(w *member, shards []int, why string) {
	at := make([]int, len(shards))
	for k, s := range shards {
		i, refusal := m.claimable(w, s)
		if refusal != "" {
			m.say(Abandon{w.ID, shards, refusal})
			return
		}
		at[k] = i
	}
	m.takeOver(w, at, why)
	for _, i := range at {
		if m.state[i] == trained {
			continue // told twice
		}
		m.set(i, trained, w)
		m.touch(w)
		w.done++
	}
}

// claimable returns the position of a shard whose result w has, or why w cannot be the one who answers it.
func (m *Machine) claimable(w *member, shard int) (i int, refusal string) {
	i, ok := m.position(shard)
	switch {
	case !ok:
		return 0, fmt.Sprintf("shard %d is outside the round", shard)
	case m.state[i] == answered:
		return 0, fmt.Sprintf("shard %d is answered", shard)
	case m.state[i] == leftOut:
		return 0, fmt.Sprintf("shard %d is left out", shard)
	case m.state[i] == trained && m.holder[i] != w:
		return 0, fmt.Sprintf("worker %s has trained shard %d already", m.holder[i].Name, shard)
	case !w.canServe(i):
		return 0, fmt.Sprintf("worker %s does not serve shard %d", w.Name, shard)
	}
	return i, ""
}

// takeOver tells every holder of these positions but w to abandon them.
func (m *Machine) takeOver(w *member, at []int, why string) {
	var from []*member
	var lost map[*member][]int // nil in all but the rare case
	for _, i := range at {
		u := m.holder[i]
		if u == nil || u == w || (m.state[i] != assigned && m.state[i] != trained) {
			continue
		}
		if lost == nil {
			lost = make(map[*member][]int)
		}
		if lost[u] == nil {
			from = append(from, u)
		}
		lost[u] = append(lost[u], m.plan.Invited[i])
	}
	for _, u := range from {
		m.say(Abandon{u.ID, lost[u], why})
	}
}

func (e Answered) apply(m *Machine) {
	err := m.Accepts(e.ID, e.Shards)
	if err != nil && !isAny(err, ErrCounted, ErrSession) {
		m.end(Fail{fmt.Sprintf("a push was counted that the round does not accept: %v", err)}, "the run has failed")
		return
	}
	if isAny(err, ErrCounted) {
		return
	}
	w := m.byID[e.ID]
	m.hear(w)
	at := make([]int, len(e.Shards))
	for k, s := range e.Shards {
		at[k], _ = m.position(s)
	}
	m.takeOver(w, at, "another worker has answered it first")
	for _, i := range at {
		if w != nil && m.holder[i] == w && m.state[i] == assigned {
			w.done++
		}
		m.set(i, answered, w)
	}
	m.progress = m.clock
}

func (e Refused) apply(m *Machine) {
	w := m.byID[e.ID]
	if w == nil {
		return
	}
	at := m.heldBy(w, e.Shards)
	if len(at) == 0 {
		return
	}
	m.hear(w)
	m.fail(w, at)
	for _, i := range at {
		if m.refusals[i]++; m.refusals[i] >= MaxRefusals {
			m.end(Fail{fmt.Sprintf("shard %d was refused %d times in round %d, the last time from worker %s: %s",
				m.plan.Invited[i], MaxRefusals, m.plan.Round, w.Name, e.Why)}, "the run has failed")
			return
		}
	}
	m.reopen(at, "refused from worker "+w.Name+": "+e.Why)
}

// fail notes that positions are to be tried with others than w.
func (m *Machine) fail(w *member, at []int) {
	if w.failed == nil {
		w.failed = newBitset(len(m.state))
		m.failed[w.Name] = w.failed
	}
	for _, i := range at {
		w.failed.add(i)
	}
}

func (e Dropped) apply(m *Machine) {
	if w := m.byID[e.ID]; w != nil {
		m.reopen(m.heldBy(w, e.Shards), "worker "+w.Name+" dropped it: "+e.Why)
	}
}

func (e Diverged) apply(m *Machine) {
	i, ok := m.position(e.Shard)
	if !ok || m.state[i] == answered || m.state[i] == leftOut {
		return
	}
	what := fmt.Sprintf("the task diverged in round %d at local step %d: %s", m.plan.Round, e.Step, e.Detail)
	if m.plan.Policy.OnDivergence == FailRun {
		m.end(Fail{fmt.Sprintf("shard %d: %s; it would end so on every worker: lower the learning rate, clip the gradient, "+
			"or let rounds go on without such shards", e.Shard, what)}, "the run has failed")
		return
	}
	m.hear(m.byID[e.ID])
	m.takeOver(m.byID[e.ID], []int{i}, "the shard is left out: it diverged")
	m.set(i, leftOut, nil)
	m.say(LeftOut{e.Shard, what})
}

// heldBy returns the positions of those of the shards that w has assigned or trained, each once.
func (m *Machine) heldBy(w *member, shards []int) []int {
	seen := make(map[int]bool, len(shards))
	var at []int
	for _, s := range shards {
		if i, ok := m.position(s); ok && w.held.has(i) && !seen[i] {
			seen[i] = true
			at = append(at, i)
		}
	}
	return at
}

func (m *Machine) reopen(at []int, why string) {
	if len(at) == 0 {
		return
	}
	shards := make([]int, len(at))
	for k, i := range at {
		shards[k] = m.plan.Invited[i]
		m.set(i, open, nil)
	}
	m.say(Reopened{shards, why})
}
