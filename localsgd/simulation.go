package localsgd

import (
	"cmp"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/detmath"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Simulation is a clock that is not there: it decides when a round is planned who of the invited would have answered in
// time, and with how much of the work, so that systems of any heterogeneity are reproducible and cost no waiting. The zero
// value lets everyone do everything. All draws are keyed by (seed, round, shard), speeds by (seed, shard).
//
// An invited shard drops out with probability Dropout. Of the others, a straggler has not done its task when the round
// closes: Stragglers of the invited, rounded half up and drawn by key, are (Li et al. 2020, "Federated Optimization in
// Heterogeneous Networks", section 5.2), and who has made fewer steps than its task has when Deadline is over. The first kind
// gets through a uniform number of epochs, at least one and fewer than all; of steps, where a task is one epoch or counted
// in steps. With Partial that work counts, otherwise the straggler is missing, as in the paper's FedAvg. With
// Participation.Over the first Size shards count, by the time of their whole tasks; stragglers come last.
//
// A round needs an answer: if nobody was left, the first shard in the order of drawing does its whole task. A Combiner that
// needs more updates than a round has left fails the run.
type Simulation struct {
	Stragglers float64 // of the invited, 0..1
	Dropout    float64 // 0..1
	Speed      Speed   // in steps of a unit of time
	Deadline   float64 // in units of time, 0 is none: a shard of speed 1 makes so many steps, rounded down
	Partial    bool    // what stragglers have done counts
}

// Speed is the distribution of the shards' speeds. A shard has the same speed in every round. The zero value is 1 for all.
type Speed struct {
	Sigma     float64 // log-normal: e^(Sigma z), z standard normal; where it is not 0
	Low, High float64 // uniform in [Low, High), where High is not 0
}

// of returns the speed of a shard, positive.
func (s Speed) of(seed uint64, shard int) float64 {
	stream := keyed.New(seed, "simulate/speed", uint64(shard))
	switch {
	case s.Sigma != 0:
		return detmath.Exp(float64(s.Sigma * stream.Normal()))
	case s.High != 0:
		return s.Low + float64((s.High-s.Low)*stream.Float64())
	}
	return 1
}

// Absence says why shards that were invited to a round have no task in it.
type Absence struct {
	Shards []int // ascending
	Why    string
}

// Why invited shards are absent from a plan.
const (
	droppedOut = "dropped out (simulated)"
	tooSlow    = "not done in time (simulated)"
	notFirst   = "others were faster (simulated)"
)

// attendance is what the simulated clock has decided on an invited shard.
type attendance struct {
	shard int
	steps int     // at most; 0: all
	late  bool    // a straggler
	time  float64 // of the whole task
	why   string  // it is absent; empty: it is there
}

// attend plays a round for the invited shards, in the order of drawing, of which the first size to answer count.
func (s Simulation) attend(job *Job, round int, invited []int, size int) []attendance {
	all := make([]attendance, len(invited))
	slow := s.stragglers(job.Seed, round, len(invited))
	for i, k := range invited {
		all[i] = s.meet(job, Task{Round: round, Shard: k}, slow[i])
	}
	if !slices.ContainsFunc(all, func(a attendance) bool { return a.why == "" }) {
		all[0] = attendance{shard: invited[0]}
	}
	s.cut(all, size)
	return all
}

// stragglers draws which of n invited shards are stragglers whatever their speed.
func (s Simulation) stragglers(seed uint64, round, n int) []bool {
	slow := make([]bool, n)
	for _, i := range keyed.New(seed, "simulate/stragglers", uint64(round)).Perm(n)[:min(n, halfUp(float64(s.Stragglers*float64(n))))] {
		slow[i] = true
	}
	return slow
}

// meet decides on one shard; straggler tells whether it was drawn as one.
func (s Simulation) meet(job *Job, task Task, straggler bool) attendance {
	a := attendance{shard: task.Shard}
	whole, speed := job.Steps(task), s.Speed.of(job.Seed, task.Shard)
	a.time = float64(whole) / speed
	steps := whole
	if s.Deadline > 0 {
		steps = int(min(float64(whole), math.Floor(float64(speed*s.Deadline))))
	}
	if straggler {
		steps = min(steps, s.partialWork(job, task, whole))
	}
	switch {
	case s.Dropout > 0 && keyed.New(job.Seed, "simulate/dropout", uint64(task.Round), uint64(task.Shard)).Float64() < s.Dropout:
		a.why = droppedOut
	case steps == whole && !straggler:
	case !s.Partial || steps == 0:
		a.why = tooSlow
	default:
		a.steps, a.late = steps, true
	}
	return a
}

// partialWork draws how many of a task's steps a straggler makes: at least one.
func (s Simulation) partialWork(job *Job, task Task, whole int) int {
	stream := keyed.New(job.Seed, "simulate/work", uint64(task.Round), uint64(task.Shard))
	schedule, _ := job.walkOf(task)
	if epochs := schedule.Epochs; epochs > 1 {
		return (1 + stream.Below(epochs-1)) * (whole / epochs)
	}
	if whole <= 1 {
		return whole
	}
	return 1 + stream.Below(whole-1)
}

// cut leaves the first size shards that answer.
func (s Simulation) cut(all []attendance, size int) {
	var there []int
	for i, a := range all {
		if a.why == "" {
			there = append(there, i)
		}
	}
	slices.SortStableFunc(there, func(i, j int) int {
		a, b := all[i], all[j]
		switch {
		case a.late == b.late:
			return cmp.Compare(a.time, b.time)
		case a.late:
			return 1
		}
		return -1
	})
	for _, i := range there[min(size, len(there)):] {
		all[i].why = notFirst
	}
}

// absences lists the shards that are absent, by reason.
func absences(all []attendance) []Absence {
	var list []Absence
	for _, why := range []string{droppedOut, tooSlow, notFirst} {
		var shards []int
		for _, a := range all {
			if a.why == why {
				shards = append(shards, a.shard)
			}
		}
		if len(shards) > 0 {
			slices.Sort(shards)
			list = append(list, Absence{shards, why})
		}
	}
	return list
}
