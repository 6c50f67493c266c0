package round

import (
	"errors"
	"fmt"
	"time"
)

// MaxRefusals is the number of refusals of one shard in one round after which the run fails.
const MaxRefusals = 5

// Divergence says what follows when a task diverges.
type Divergence int

const (
	// FailRun ends the run as failed, with advice.
	FailRun Divergence = iota
	// LeaveOutShard closes the round without the shard, unless no shard is left.
	LeaveOutShard
)

// Policy says when a round ends. A round always closes when every shard has answered that did not diverge; Quorum and
// Deadline may close it earlier, whichever comes first.
type Policy struct {
	// Quorum is the number of answers that suffice, 0 for no quorum. More than can answer means all of them.
	Quorum int
	// Grace is how long a reached quorum waits for the rest.
	Grace time.Duration
	// Deadline after the round's start closes it with at least one answer, 0 for no deadline. Without any answer
	// the first one closes it.
	Deadline time.Duration
	// Basis says where the deadline comes from, if it was not given (see Adaptive).
	Basis string
	// TaskLimit is how long a worker may finish nothing before its tasks go to others, 0 for as long as it lives.
	TaskLimit time.Duration
	// GiveUp is how long a shard that is needed may be without any worker that can serve it; positive.
	GiveUp time.Duration
	// OnDivergence says what a diverged task means for the run.
	OnDivergence Divergence
}

// Plan is what the machine has to bring about: answers of all invited shards to the given round.
type Plan struct {
	// Round counts from 1.
	Round int
	// Invited are the participants, ascending, without repetition, at least one.
	Invited []int
	Policy  Policy
}

// ErrPlan is wrapped by every error of New.
var ErrPlan = errors.New("invalid round plan")

func (p Plan) check() error {
	if p.Round < 1 {
		return fmt.Errorf("%w: round %d, want at least 1", ErrPlan, p.Round)
	}
	if err := p.checkInvited(); err != nil {
		return err
	}
	return p.Policy.check()
}

func (p Plan) checkInvited() error {
	if len(p.Invited) == 0 {
		return fmt.Errorf("%w: no shard is invited to round %d", ErrPlan, p.Round)
	}
	last := -1
	for i, s := range p.Invited {
		if s <= last {
			return fmt.Errorf("%w: invited[%d] is shard %d, want ascending shards from 0", ErrPlan, i, s)
		}
		last = s
	}
	return nil
}

func (p Policy) check() error {
	switch {
	case p.Quorum < 0:
		return fmt.Errorf("%w: quorum %d, want 0 (none) or more", ErrPlan, p.Quorum)
	case p.Grace < 0:
		return fmt.Errorf("%w: grace %v, want 0 or more", ErrPlan, p.Grace)
	case p.Deadline < 0:
		return fmt.Errorf("%w: deadline %v, want 0 (none) or more", ErrPlan, p.Deadline)
	case p.TaskLimit < 0:
		return fmt.Errorf("%w: task_limit %v, want 0 (none) or more", ErrPlan, p.TaskLimit)
	case p.GiveUp <= 0:
		return fmt.Errorf("%w: give_up %v, want more than 0", ErrPlan, p.GiveUp)
	case p.OnDivergence != FailRun && p.OnDivergence != LeaveOutShard:
		return fmt.Errorf("%w: divergence %d, want FailRun or LeaveOutShard", ErrPlan, p.OnDivergence)
	}
	return nil
}
