package round

import (
	"fmt"
	"slices"
	"time"
)

// possible is how many shards can have answered in the end.
func (m *Machine) possible() int { return len(m.state) - m.count[leftOut] }

// needed is how many answers the round cannot close without.
func (m *Machine) needed() int {
	switch p := m.plan.Policy; {
	case p.Deadline > 0:
		return min(1, m.possible())
	case p.Quorum > 0:
		return min(p.Quorum, m.possible())
	}
	return m.possible()
}

// decide ends the round if its policy says so.
func (m *Machine) decide() {
	p, n := m.plan.Policy, m.count[answered]
	if p.Quorum > 0 && n >= p.Quorum {
		m.quorumAt = min(m.quorumAt, m.clock)
	}
	switch {
	case n == 0 && m.possible() == 0:
		m.end(Fail{fmt.Sprintf("every shard of round %d has diverged: lower the learning rate or clip the gradient",
			m.plan.Round)}, "the run has failed")
	case n == m.possible():
		m.close(ByAll, m.allReason())
	case m.clock >= m.graceEnd():
		m.close(ByQuorum, m.quorumReason())
	case n > 0 && p.Deadline > 0 && m.clock >= p.Deadline:
		m.close(ByDeadline, m.deadlineReason())
	case m.clock >= m.giveUpAt:
		m.end(GiveUp{fmt.Sprintf("no worker for %s for %v; the run can go on when there is one",
			counted(m.shards(m.orphans)), p.GiveUp)}, "the run has stopped")
	}
}

// tally returns "7 of 10 shards have answered".
func (m *Machine) tally() string {
	return fmt.Sprintf("%d of %d shards have answered", m.count[answered], len(m.state))
}

func (m *Machine) allReason() string {
	if m.count[leftOut] == 0 {
		return fmt.Sprintf("all %d shards have answered", len(m.state))
	}
	return fmt.Sprintf("%s and the others have diverged", m.tally())
}

func (m *Machine) quorumReason() string {
	p := m.plan.Policy
	if p.Grace == 0 {
		return fmt.Sprintf("%s, as many as are needed", m.tally())
	}
	return fmt.Sprintf("%s, the quorum is %d, the grace of %v is over", m.tally(), p.Quorum, p.Grace)
}

func (m *Machine) deadlineReason() string {
	deadline := m.plan.Policy.Deadline.String()
	if basis := m.plan.Policy.Basis; basis != "" {
		deadline += " (" + basis + ")"
	}
	if m.overtime {
		return fmt.Sprintf("first answer after the deadline of %s: %s", deadline, m.tally())
	}
	return fmt.Sprintf("%s, the deadline of %s is over", m.tally(), deadline)
}

func (m *Machine) close(cause Cause, reason string) {
	m.end(Close{
		Cause:    cause,
		Reason:   reason,
		Answered: m.with(answered),
		Missing:  m.shards(m.missingOrOut()),
		Diverged: m.with(leftOut),
		Absent:   m.absences(),
		Took:     m.took(),
	}, "the round is closed")
}

// absences says where the shards are that have not answered, each reason once, in the order of its first shard.
func (m *Machine) absences() []Absence {
	var list []Absence
	found := make(map[string]int)
	for i := range m.missingOrOut().all() {
		why := m.whereabouts(i)
		at, known := found[why]
		if !known {
			at = len(list)
			found[why] = at
			list = append(list, Absence{Why: why})
		}
		list[at].Shards = append(list[at].Shards, m.plan.Invited[i])
	}
	return list
}

// whereabouts says why position i has not answered.
func (m *Machine) whereabouts(i int) string {
	switch m.state[i] {
	case assigned:
		return "late: in training at worker " + m.holder[i].Name
	case trained:
		return "late: trained, not pushed by worker " + m.holder[i].Name
	case leftOut:
		return "diverged"
	}
	if m.orphans.has(i) {
		return "no worker could serve it"
	}
	return "not assigned"
}

func (m *Machine) missingOrOut() bitset {
	b := slices.Clone(m.missing)
	for i, s := range m.state {
		if s == leftOut {
			b.add(i)
		}
	}
	return b
}

// graceEnd is when a reached quorum closes the round, never as long as it is not reached.
func (m *Machine) graceEnd() time.Duration {
	if m.quorumAt == never {
		return never
	}
	return m.quorumAt + m.plan.Policy.Grace
}

// findOrphans finds the missing shards that no member can serve, and when they make the round give up: as soon as more
// of them than the policy can do without have been so for the whole of GiveUp.
func (m *Machine) findOrphans() {
	covered := m.covered()
	for k := range m.orphans {
		m.orphans[k] &= m.missing[k] &^ covered[k]
	}
	for k := range m.orphans {
		fresh := bitset{m.missing[k] &^ covered[k] &^ m.orphans[k]}
		for i := range fresh.all() {
			m.orphaned[k*64+i] = m.clock
		}
		m.orphans[k] |= fresh[0]
	}
	m.giveUpAt = never
	spare := m.possible() - m.needed()
	if m.orphans.count() <= spare {
		return
	}
	var since []time.Duration
	for i := range m.orphans.all() {
		since = append(since, m.orphaned[i])
	}
	slices.Sort(since)
	m.giveUpAt = since[spare] + m.plan.Policy.GiveUp
}

// covered is the union of what the members can serve.
func (m *Machine) covered() bitset {
	b := newBitset(len(m.state))
	for _, w := range m.members {
		if w.serves == nil {
			return fullBitset(len(m.state))
		}
		b.union(w.serves)
	}
	return b
}
