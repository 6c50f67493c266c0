package async

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

// Why an update does not count; all errors of Accepts wrap exactly one of these.
var (
	// ErrDone: the task counts already, or has diverged.
	ErrDone = errors.New("already counted")
	// ErrOld: it started too many rounds ago.
	ErrOld = errors.New("too old")
	// ErrAhead: it started from a model that there is not yet.
	ErrAhead = errors.New("ahead of the newest model")
	// ErrFull: the round is closed; the update may count in the next one.
	ErrFull = errors.New("the round has all its updates")
	// ErrUnwanted: the round is made again, of other tasks.
	ErrUnwanted = errors.New("not one of the round's recorded tasks")
	// ErrSession: the session that pushes is not, or no longer, one of the run's workers.
	ErrSession = errors.New("not a live session of this run")
	// ErrNotServed: the worker has said that it does not serve the shard.
	ErrNotServed = errors.New("not served by this worker")
)

// Accepts tells whether a task's update from this session may be counted now. It changes nothing: after counting, step
// Answered before anything else is accepted. An update of a task that nobody has, or another worker, is accepted too.
func (m *Machine) Accepts(id round.WorkerID, t Task) error {
	w := m.member(id)
	switch {
	case m.done.of[t]:
		return fmt.Errorf("%v: %w", t, ErrDone)
	case m.old(t):
		return fmt.Errorf("%v: %w for round %d", t, ErrOld, m.round)
	case w == nil:
		return fmt.Errorf("session %d: %w", id, ErrSession)
	case !w.Serves.Contains(t.Shard):
		return fmt.Errorf("%v: %w (%s serves %v)", t, ErrNotServed, w.Name, w.Serves)
	case !m.open():
		return fmt.Errorf("round %d: %w", m.round, ErrFull)
	case m.age(t) < 0 || t.Version < 0 || t.Shard < 0:
		return fmt.Errorf("%v: %w, of round %d", t, ErrAhead, m.round-1)
	case m.only && !slices.Contains(m.candidates, t):
		return fmt.Errorf("%v: %w", t, ErrUnwanted)
	}
	return nil
}

func (e Answered) apply(m *Machine) {
	if m.done.of[e.Task] {
		return
	}
	if err := m.Accepts(e.ID, e.Task); err != nil && !errors.Is(err, ErrSession) {
		m.end(Fail{fmt.Sprintf("an update was counted that the round does not accept: %v", err)})
		return
	}
	m.hear(m.member(e.ID))
	if r := m.running[e.Task]; r != nil {
		m.remove(r)
		if r.holder.ID != e.ID {
			m.say(Abandon{r.holder.ID, e.Task, "another worker has answered it first"})
		}
	}
	delete(m.refused, e.Task.Shard)
	m.done.add(e.Task)
	m.counted = append(m.counted, e.Task)
	m.progress = m.clock
	if len(m.counted) == m.plan.Capacity {
		m.closed = true
		m.say(Close{m.round, slices.Clone(m.counted), m.discarded, fmt.Sprintf("%d updates have come in", m.plan.Capacity)})
		m.discarded = nil
	}
}
