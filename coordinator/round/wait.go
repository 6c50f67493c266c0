package round

import (
	"fmt"
	"time"
)

// Wait says whom a round waits for.
type Wait struct {
	// Reason in words, empty when the round is over.
	Reason string
	// Shards that are awaited, ascending.
	Shards []int
	// Workers that have them, by name in the order of their sessions; empty when nobody has.
	Workers []string
	// Since is when this wait began.
	Since time.Time
	// Until is when the round will stop waiting, for all or for a worker that has been silent for half of the task limit;
	// zero if the workers' heartbeats alone bound the wait.
	Until time.Time
}

// Wait returns what the round waits for now. It looks at every shard: it is for people and metrics, not for each event.
func (m *Machine) Wait() Wait {
	p := m.plan.Policy
	switch {
	case m.ended:
		return Wait{}
	case m.giveUpAt != never:
		orphans := m.shards(m.orphans)
		return Wait{
			Reason: "no worker can serve " + counted(orphans),
			Shards: orphans,
			Since:  m.at(m.giveUpAt - p.GiveUp),
			Until:  m.at(m.giveUpAt),
		}
	case m.overtime:
		return m.waitForMissing("any answer: the deadline is over without one", p.Deadline)
	case m.quorumAt != never:
		return m.waitForMissing("the grace: the quorum is reached", m.quorumAt)
	}
	return m.waitForMissing("answers", m.progress)
}

func (m *Machine) waitForMissing(what string, since time.Duration) Wait {
	w := Wait{
		Reason: fmt.Sprintf("waiting for %s: %s, %d not assigned, %d training, %d not pushed", what,
			m.tally(), m.count[open], m.count[assigned], m.count[trained]),
		Shards: m.shards(m.missing),
		Since:  m.at(since),
		Until:  m.at(m.closing()),
	}
	if q := m.quietest(); q != nil {
		limit := m.plan.Policy.TaskLimit
		w.Reason += fmt.Sprintf("; worker %s has finished nothing for %v, after %v its tasks go to others", q.Name, m.clock-q.heard, limit)
		if over := m.at(max(q.heard+limit, m.clock)); w.Until.IsZero() || over.Before(w.Until) {
			w.Until = over
		}
	}
	for _, u := range m.members {
		if u.tasks() > 0 {
			w.Workers = append(w.Workers, u.Name)
		}
	}
	return w
}

// Wake returns when the next step is needed if nothing happens until then, false if none is.
func (m *Machine) Wake() (time.Time, bool) {
	d := min(m.closing(), m.silentAt)
	return m.at(d), d != never && !m.ended
}

// closing is when time alone may end the round.
func (m *Machine) closing() time.Duration {
	d := min(m.graceEnd(), m.giveUpAt)
	if p := m.plan.Policy; p.Deadline > 0 && !m.overtime {
		d = min(d, p.Deadline)
	}
	return d
}

func (m *Machine) at(d time.Duration) time.Time {
	if d == never {
		return time.Time{}
	}
	return m.start.Add(d)
}

// Progress counts the shards of a round by state.
type Progress struct {
	Invited, Open, Assigned, Trained, Answered, LeftOut int
}

// Progress returns the counts now.
func (m *Machine) Progress() Progress {
	return Progress{
		Invited:  len(m.state),
		Open:     m.count[open],
		Assigned: m.count[assigned],
		Trained:  m.count[trained],
		Answered: m.count[answered],
		LeftOut:  m.count[leftOut],
	}
}
