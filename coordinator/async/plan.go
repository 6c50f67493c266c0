package async

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

// MaxRefusals is the number of refusals of one shard in a row after which the run fails.
const MaxRefusals = round.MaxRefusals

// Task names the training of a shard from the model of a round, its version; 0 is the start model.
type Task struct{ Version, Shard int }

// String returns "shard 3 from round 7".
func (t Task) String() string { return fmt.Sprintf("shard %d from round %d", t.Shard, t.Version) }

// Compare orders tasks by version, then by shard.
func (t Task) Compare(o Task) int {
	return cmp.Or(cmp.Compare(t.Version, o.Version), cmp.Compare(t.Shard, o.Shard))
}

// Plan is what stays the same in all rounds.
type Plan struct {
	// Capacity is how many updates make a round, at least 1.
	Capacity int
	// Oldest is how many rounds before the newest model an update may have started, from 0.
	Oldest int
	// Tasks is how many run at once at most, at least 1.
	Tasks int
	Policy
}

// Policy says when a run does not wait any more.
type Policy struct {
	// TaskLimit is how long a worker may finish nothing before its tasks go to others, 0 for as long as it lives.
	TaskLimit time.Duration
	// GiveUp is how long a run may stand still for want of a worker that can train what is left; positive.
	GiveUp time.Duration
	// OnDivergence says what a diverged task means for the run.
	OnDivergence round.Divergence
}

// ErrPlan is wrapped by every error of New.
var ErrPlan = errors.New("invalid plan of an asynchronous run")

func (p Plan) check() error {
	switch {
	case p.Capacity < 1:
		return fmt.Errorf("%w: capacity %d, want at least 1", ErrPlan, p.Capacity)
	case p.Oldest < 0:
		return fmt.Errorf("%w: oldest %d, want 0 or more", ErrPlan, p.Oldest)
	case p.Tasks < 1:
		return fmt.Errorf("%w: %d tasks at once, want at least 1", ErrPlan, p.Tasks)
	case p.TaskLimit < 0:
		return fmt.Errorf("%w: task_limit %v, want 0 (none) or more", ErrPlan, p.TaskLimit)
	case p.GiveUp <= 0:
		return fmt.Errorf("%w: give_up %v, want more than 0", ErrPlan, p.GiveUp)
	}
	return nil
}
