package localsgd

import (
	"cmp"
	"fmt"
	"slices"
)

// Plan is one round's tasks: who takes part, with what weights, and how far each goes.
type Plan struct {
	Round int
	Tasks []PlannedTask // ascending by shard
	// Absent are the invited shards that have no task: the simulated clock has decided so. Nil without one.
	Absent []Absence
}

// PlannedTask is one participant's part in a plan.
type PlannedTask struct {
	Share
	Steps int // at most so many local steps; 0: as many as the schedule says
}

// Task returns the i-th task of the plan.
func (p Plan) Task(i int) Task {
	return Task{Round: p.Round, Shard: p.Tasks[i].Shard, Steps: p.Tasks[i].Steps}
}

// Shards returns the participants, ascending.
func (p Plan) Shards() []int {
	shards := make([]int, len(p.Tasks))
	for i, t := range p.Tasks {
		shards[i] = t.Shard
	}
	return shards
}

// Invited returns the shards that were drawn, ascending: those with tasks and the absent ones.
func (p Plan) Invited() []int {
	shards := p.Shards()
	for _, a := range p.Absent {
		shards = append(shards, a.Shards...)
	}
	slices.Sort(shards)
	return shards
}

// Plan returns the tasks of a round: participants drawn by key, with all their steps or what the simulated clock lets them
// make of these. Without one, and with Participation.Over, the plan has all who are invited.
func (a Algorithm) Plan(job *Job, round int) Plan {
	invited := a.Participation.Draw(job.Seed, round, job.Examples(inOrder(len(job.Shards))))
	if a.Simulation == (Simulation{}) {
		slices.Sort(invited)
		return a.PlanOf(job, round, invited, nil)
	}
	all := a.Simulation.attend(job, round, invited, a.Participation.Size(len(job.Shards)))
	slices.SortFunc(all, func(x, y attendance) int { return cmp.Compare(x.shard, y.shard) })
	var shards, steps []int
	for _, one := range all {
		if one.why == "" {
			shards, steps = append(shards, one.shard), append(steps, one.steps)
		}
	}
	p := a.PlanOf(job, round, shards, steps)
	p.Absent = absences(all)
	return p
}

// PlanOf returns a plan of the given participants, in ascending order. steps, if not nil, has the most steps of each, as in
// PlannedTask.
func (a Algorithm) PlanOf(job *Job, round int, shards, steps []int) Plan {
	if steps != nil && len(steps) != len(shards) {
		panic(fmt.Sprintf("localsgd: steps of %d tasks for %d participants", len(steps), len(shards)))
	}
	p := Plan{Round: round, Tasks: make([]PlannedTask, len(shards))}
	for i, k := range shards {
		p.Tasks[i].Shard = k
		if steps != nil {
			p.Tasks[i].Steps = steps[i]
		}
	}
	for i, w := range a.weights(job, p) {
		p.Tasks[i].Weight = w
	}
	return p
}

func (a Algorithm) weights(job *Job, p Plan) []Weight {
	if rule, is := a.Rule.(Weigher); is {
		return rule.Weigh(job, p, a.Weighting)
	}
	if a.Participation.BySize && a.Weighting == ByExamples {
		return a.weightsBySize(job, p)
	}
	return Weights(job.Examples(p.Shards()), a.Weighting)
}

func (a Algorithm) weightsBySize(job *Job, p Plan) []Weight {
	all := sharesBySize(job.Examples(inOrder(len(job.Shards))), a.Participation.Invited(len(job.Shards)))
	shares := make([]uint64, len(p.Tasks))
	for i, t := range p.Tasks {
		shares[i] = all[t.Shard]
	}
	return normalised(shares)
}
