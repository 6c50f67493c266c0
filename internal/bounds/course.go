package bounds

import (
	"slices"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// course is what the rounds so far have in common.
type course struct {
	spec    *spec.Spec
	sizes   []int         // of the shards
	whole   bool          // every shard took part in every round
	uniform bool          // all participants had the same weight and number of steps
	rates   theory.Budget // sum over the steps so far of lr, mean over the participants
	reason  string        // not empty: of some round the numbers of steps are not known
}

// passed is one round in numbers.
type passed struct {
	lr      float64
	weights []float64 // of the participants
	steps   []int
	samples int
	own     []int  // examples that each participant took; nil: the record contradicts the schedule
	reason  string // not empty: the numbers of steps are not known
}

// pass takes the next round.
func (c *course) pass(r *record.Round) passed {
	if r.Number == 0 {
		return passed{reason: "round 0"}
	}
	p := passed{lr: c.spec.Local.RateIn(r.Number), samples: int(r.Examples)}
	for i, k := range r.Participants {
		p.weights = append(p.weights, float64(r.Weights[i]))
		c.uniform = c.uniform && r.Weights[i] == r.Weights[0]
		c.whole = c.whole && len(r.Participants) == len(c.sizes)
		if k >= len(c.sizes) {
			p.reason = "the sizes of the shards are not recorded"
		}
	}
	if p.reason == "" {
		p.steps, p.own = c.stepsOf(r)
		if p.steps == nil {
			p.reason = "the record does not say how many steps each participant made"
		}
	}
	for _, n := range p.steps {
		c.uniform = c.uniform && n == p.steps[0]
	}
	if len(p.weights) == 0 {
		p.reason = "a round without participants"
	}
	if p.reason != "" {
		c.reason = p.reason
		return p
	}
	c.rates = c.rates.Add(p.lr, 1, p.meanSteps())
	return p
}

// stepsOf returns the number of local steps of each participant, as the spec's schedule gives it, nil if these are not what
// the record says of all together; and likewise the examples that they took. Batch norm joins a last batch of one example to the one
// before.
func (c *course) stepsOf(r *record.Round) (steps, examples []int) {
	for _, join := range []bool{false, true} {
		schedule := c.spec.Local.Schedule
		schedule.Join = join
		steps, examples = make([]int, len(r.Participants)), make([]int, len(r.Participants))
		made, took := int64(0), int64(0)
		for i, k := range r.Participants {
			steps[i] = c.taskSteps(r, k, join)
			examples[i] = schedule.Examples(c.sizes[k], steps[i])
			made, took = made+int64(steps[i]), took+int64(examples[i])
		}
		if took != r.Examples {
			examples = nil
		}
		if made == r.Steps {
			return steps, examples
		}
	}
	return nil, nil
}

func (c *course) taskSteps(r *record.Round, k int, join bool) int {
	schedule := c.spec.Local.Schedule
	schedule.Join = join
	n := schedule.TotalSteps(c.sizes[k])
	if r.Number <= c.spec.Local.PostLocal {
		n = 1
	}
	if most := r.StepsOf(k); most > 0 {
		n = min(n, most)
	}
	return n
}

// meanSteps is the mean of the steps over the participants (M19).
func (p *passed) meanSteps() float64 {
	sum, total := 0.0, 0.0
	for i, w := range p.weights {
		sum += float64(w * float64(p.steps[i]))
		total += w
	}
	return sum / total
}

// decay is what the round multiplies a weight at its start by, the gradients aside.
func (p *passed) decay(m theory.Memory, server float64) float64 {
	known := make(map[int]float64)
	locals := make([]float64, len(p.steps))
	for i, n := range p.steps {
		if _, ok := known[n]; !ok {
			known[n] = m.Local(slices.Repeat([]float64{p.lr}, n))
		}
		locals[i] = known[n]
	}
	return theory.RoundDecay(p.weights, locals, server)
}
