package async

import (
	"fmt"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

// Wait returns what the open round waits for now.
func (m *Machine) Wait() round.Wait {
	if !m.open() {
		return round.Wait{}
	}
	if m.still != never {
		return round.Wait{
			Reason: "no worker can train any of the shards that could begin",
			Since:  m.at(m.still), Until: m.at(m.still + m.plan.GiveUp),
		}
	}
	p := m.Progress()
	w := round.Wait{
		Reason: fmt.Sprintf("waiting for updates: %d of %d have come in, %d training, %d not pushed",
			p.Counted, p.Capacity, p.Training, p.Trained),
		Since: m.at(m.progress),
	}
	for _, u := range m.members {
		for _, t := range u.tasks {
			if at, found := slices.BinarySearch(w.Shards, t.Shard); !found {
				w.Shards = slices.Insert(w.Shards, at, t.Shard)
			}
		}
		if len(u.tasks) > 0 {
			w.Workers = append(w.Workers, u.Name)
		}
	}
	return w
}

// Wake returns when the next step is needed if nothing happens until then, false if none is.
func (m *Machine) Wake() (time.Time, bool) {
	at := never
	if m.still != never {
		at = m.still + m.plan.GiveUp
	}
	for _, w := range m.members {
		if limit := m.plan.TaskLimit; limit > 0 && len(w.tasks) > 0 {
			at = min(at, w.heard+limit)
		}
	}
	return m.at(at), at != never && !m.ended
}

func (m *Machine) at(d time.Duration) time.Time {
	if d == never {
		return time.Time{}
	}
	return m.start.Add(d)
}

// Progress counts the updates of the open round and the tasks under way.
type Progress struct{ Capacity, Counted, Training, Trained int }

// Progress returns the counts now.
func (m *Machine) Progress() Progress {
	p := Progress{Capacity: m.plan.Capacity, Counted: len(m.counted)}
	for _, w := range m.members {
		for _, t := range w.tasks {
			if t.trained {
				p.Trained++
			} else {
				p.Training++
			}
		}
	}
	return p
}
