package localsgd

import (
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Task names a piece of work: one shard's local training in one round.
type Task struct {
	Round, Shard int
	Steps        int // at most so many local steps; 0: as many as the schedule says
}

// walkOf returns the schedule of a task, and how many of its batches it takes.
func (j *Job) walkOf(t Task) (s shard.Schedule, steps int) {
	s = j.schedule()
	n := len(j.Shards[t.Shard])
	if t.Round <= j.Local.PostLocal {
		if s.Epochs > 0 {
			s.Batch = min(s.Batch, n) // with steps a batch would repeat the shard
		}
		s.Epochs, s.Steps = 0, 1
	}
	steps = s.TotalSteps(n)
	if t.Steps > 0 {
		steps = min(steps, t.Steps)
	}
	return s, steps
}

// Steps returns the number of local steps that a task makes.
func (j *Job) Steps(t Task) int {
	_, steps := j.walkOf(t)
	return steps
}

// Span returns how much of its steps' gradients a task takes up, in units of the learning rate: FedNova's a_i, the 1-norm
// of their coefficients in start - end under SGD (Wang et al. 2020, section 3). It is the number of steps for plain SGD,
// more with momentum, and less under FedProx, whose pull lets early gradients fade. Both at once, and Nesterov's momentum,
// follow from the same recurrence: unit gradients and the pull of what they have moved. Weight decay counts as part of the
// gradient.
func (j *Job) Span(t Task) float64 {
	o := j.Local.SGD
	pull := float64(j.Local.RateIn(t.Round) * j.Local.ProxMu)
	steps := j.Steps(t)
	if o.Momentum == 0 && pull == 0 {
		return float64(steps)
	}
	moved, velocity := 0.0, 0.0
	for range steps {
		g := 1 - float64(pull*moved)
		velocity = float64(o.Momentum*velocity) + g
		if o.Nesterov {
			g += float64(o.Momentum * velocity)
		} else {
			g = velocity
		}
		moved += g
	}
	return moved
}
