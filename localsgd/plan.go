package localsgd

import "fmt"

// Plan is one round's tasks: who takes part, with what weights, and how far each goes.
type Plan struct {
	Round int
	Tasks []PlannedTask // ascending by shard
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

// Plan returns the tasks of a round: participants drawn by key, and all their steps.
func (a Algorithm) Plan(job *Job, round int) Plan {
	return a.PlanOf(job, round, Participants(job.Seed, round, len(job.Shards), a.Participation), nil)
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
	return Weights(job.Examples(p.Shards()), a.Weighting)
}
