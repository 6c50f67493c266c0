package round

import (
	"errors"
	"fmt"
)

// Why a push does not count; all errors of Accepts wrap exactly one of these.
var (
	// ErrPush: the push names no shard, or not in ascending order without repetition.
	ErrPush = errors.New("malformed push")
	// ErrOutside: a shard is outside the round.
	ErrOutside = errors.New("outside the round")
	// ErrCounted: every shard of the push counts already. The push is a repetition; it can be acknowledged.
	ErrCounted = errors.New("already counted")
	// ErrPartlyCounted: some of the shards count already; see PartlyCounted.
	ErrPartlyCounted = errors.New("partly counted")
	// ErrEnded: the round is over.
	ErrEnded = errors.New("the round is over")
	// ErrSession: the session that pushes is not, or no longer, one of the round's workers.
	ErrSession = errors.New("not a live session of this run")
	// ErrLeftOut: a shard was left out because it diverged.
	ErrLeftOut = errors.New("left out of the round")
	// ErrNotServed: the worker has said that it does not serve a shard.
	ErrNotServed = errors.New("not served by this worker")
)

// PartlyCounted refuses a sum of which some shards count already. The rest stays where it was: its holder pushes it
// without the counted ones, or reports that it is dropped.
type PartlyCounted struct {
	Counted, Rest []int
}

// Error names both parts.
func (e *PartlyCounted) Error() string {
	return fmt.Sprintf("%v: %s already, not %s", ErrPartlyCounted, counted(e.Counted), counted(e.Rest))
}

// Unwrap returns ErrPartlyCounted.
func (e *PartlyCounted) Unwrap() error { return ErrPartlyCounted }

// Accepts tells whether a push of these shards by this session may be counted now, whole; the shards are ascending.
// It changes nothing: after counting, step Answered before anything else is accepted. A push of a shard that is open or
// held by somebody else is accepted if the worker serves it: the first answer counts.
func (m *Machine) Accepts(id WorkerID, shards []int) error {
	at, err := m.locate(shards)
	if err != nil {
		return err
	}
	n := 0
	for _, i := range at {
		if m.state[i] == answered {
			n++
		}
	}
	w := m.byID[id]
	switch {
	case n == len(at):
		return fmt.Errorf("%s of round %d: %w", counted(shards), m.plan.Round, ErrCounted)
	case m.ended:
		return fmt.Errorf("round %d: %w", m.plan.Round, ErrEnded)
	case n > 0:
		return m.partly(at)
	}
	if err := m.excluded(at); err != nil {
		return err
	}
	if w == nil {
		return fmt.Errorf("session %d: %w", id, ErrSession)
	}
	return m.unserved(w, at)
}

// locate returns the positions of the shards of a push.
func (m *Machine) locate(shards []int) ([]int, error) {
	if len(shards) == 0 {
		return nil, fmt.Errorf("%w: no shard", ErrPush)
	}
	at := make([]int, len(shards))
	for k, s := range shards {
		i, ok := m.position(s)
		if !ok {
			return nil, fmt.Errorf("shard %d is %w %d", s, ErrOutside, m.plan.Round)
		}
		if k > 0 && i <= at[k-1] {
			return nil, fmt.Errorf("%w: shard %d after shard %d, want ascending shards", ErrPush, s, shards[k-1])
		}
		at[k] = i
	}
	return at, nil
}

func (m *Machine) partly(at []int) error {
	e := &PartlyCounted{}
	for _, i := range at {
		if m.state[i] == answered {
			e.Counted = append(e.Counted, m.plan.Invited[i])
		} else {
			e.Rest = append(e.Rest, m.plan.Invited[i])
		}
	}
	return e
}

func (m *Machine) excluded(at []int) error {
	for _, i := range at {
		if m.state[i] == leftOut {
			return fmt.Errorf("shard %d diverged: %w", m.plan.Invited[i], ErrLeftOut)
		}
	}
	return nil
}

func (m *Machine) unserved(w *member, at []int) error {
	for _, i := range at {
		if !w.canServe(i) {
			return fmt.Errorf("shard %d: %w (%s serves %v)", m.plan.Invited[i], ErrNotServed, w.Name, w.Serves)
		}
	}
	return nil
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
