package localsgd

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Algorithm is what turns one model into the next besides the job: participation, weighting and rule, and the clock that
// experiments on slow and unreliable participants simulate.
//
// Three nested blocks carry a round; each begins with the model's parameters, and shorter ones are the beginning of longer
// ones:
//
//   - the model, with Job.Net's layout;
//   - what travels: the model and the rule's broadcast state (Job.Layout). A task starts from it, and updates have the same
//     layout;
//   - what is stored: these and the rule's other state (Algorithm.Layout).
//
// For a rule without state the three are one.
type Algorithm struct {
	Participation Participation
	Weighting     Weighting
	Rule          Rule
	Simulation    Simulation
}

// ErrAlgorithm is wrapped by every error of Algorithm.Check.
var ErrAlgorithm = errors.New("rule and job do not fit")

// Check returns an error if the rule does not go with the job's local work: Job.Local must be what Prepare returned.
func (a Algorithm) Check(job *Job) error {
	local, err := a.Prepare(job.Local)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAlgorithm, err)
	}
	if local.Controls != job.Local.Controls {
		return fmt.Errorf("%w: %s needs control variates of option %d, local work has %d (see Algorithm.Prepare)",
			ErrAlgorithm, a.Rule.Name(), local.Controls, job.Local.Controls)
	}
	if _, is := a.Rule.(FedNova); is && a.Participation.BySize && a.Weighting == ByExamples {
		return fmt.Errorf("%w: fednova would count examples twice where they decide who takes part; weight uniformly", ErrAlgorithm)
	}
	if _, err := a.layout(job); err != nil {
		return fmt.Errorf("%w: %w", ErrAlgorithm, err)
	}
	if err := a.checkAsynchronous(len(job.Shards)); err != nil {
		return fmt.Errorf("%w: %s %w", ErrAlgorithm, a.Rule.Name(), err)
	}
	return nil
}

// checkAsynchronous returns what does not go with a rule whose rounds have no plan, and nil for other rules.
func (a Algorithm) checkAsynchronous(shards int) error {
	rule, is := a.Rule.(Asynchronous)
	if !is {
		return nil
	}
	onlySpeed := a.Simulation
	onlySpeed.Speed = Speed{}
	switch {
	case rule.Capacity() > shards:
		return fmt.Errorf("waits for %d updates, which %d shards may never have", rule.Capacity(), shards)
	case a.Participation.BySize || a.Participation.Over > 1:
		return errors.New("has no rounds that shards are invited to: not with participation by size or of more than count")
	case onlySpeed != Simulation{}:
		return errors.New("has no rounds that anybody could be late for: of the simulated clock only speeds go with it")
	}
	return nil
}

// Prepare returns local work as the rule needs it, or an error that says what of it does not go with the rule.
func (a Algorithm) Prepare(l Local) (Local, error) {
	l.Controls = 0
	if rule, is := a.Rule.(LocalRule); is {
		return rule.Local(l)
	}
	return l, nil
}

// Layout returns the layout of what is stored between rounds. Algorithm and job must have passed Check.
func (a Algorithm) Layout(job *Job) *tensor.Layout {
	layout, err := a.layout(job)
	if err != nil {
		panic("localsgd: an algorithm that was not checked: " + err.Error())
	}
	return layout
}

func (a Algorithm) layout(job *Job) (*tensor.Layout, error) {
	var names []string
	for _, b := range a.Rule.State() {
		names = append(names, b.Name)
	}
	return job.Net.Layout().Extend(names...)
}

// Start returns a new block of what is stored, as a run begins: the job's start model and the rule's first state.
func (a Algorithm) Start(job *Job) []float32 {
	n, state := job.Net.Parameters(), a.Rule.State()
	block := make([]float32, n*(1+len(state)))
	copy(block, job.Start())
	for i, b := range state {
		part := block[n*(i+1):][:n]
		for j := range part {
			part[j] = b.Initial
		}
		clearBuffers(job.Net.Layout(), part)
	}
	return block
}

// Finish makes what is stored after a round, next, of the sum of its updates and of what was stored before it, start: the
// mean, then the rule's step. Whatever the rule, buffers (running statistics) take the mean, for they are no parameters,
// and momentum on a variance makes it negative; tensors that no task trains for others (Local.Personal, and under rules
// with state Local.Freeze) stay as they are. It returns ErrNoUpdates for an empty sum and a *RangeError for a result that
// is not finite.
func (a Algorithm) Finish(job *Job, plan Plan, sum *Sum, start, next []float32) error {
	if err := sum.Mean(next); err != nil {
		return err
	}
	return a.step(job, plan, sum.Shares(), start, next)
}

// Combine is Finish for a rule that is a Combiner, with the updates instead of their sum. It returns ErrTooFewUpdates where
// the rule needs more of them.
func (a Algorithm) Combine(job *Job, plan Plan, updates Updates, start, next []float32) error {
	if len(updates.Shares()) == 0 {
		return ErrNoUpdates
	}
	rule := a.Rule.(Combiner)
	if err := checkCount(rule, len(updates.Shares())); err != nil {
		return err
	}
	layout := job.Layout()
	c := &Combination{Layout: layout, Updates: updates, Start: start[:layout.Size()], Next: next[:layout.Size()]}
	if err := rule.Combine(c); err != nil {
		return fmt.Errorf("combining updates by %s: %w", a.Rule.Name(), err)
	}
	if err := meanBuffers(c); err != nil {
		return fmt.Errorf("averaging running statistics: %w", err)
	}
	return a.step(job, plan, updates.Shares(), start, next)
}

// step takes the rule's step from next, whose travelling part holds the mean.
func (a Algorithm) step(job *Job, plan Plan, answered []Share, start, next []float32) error {
	layout := job.Net.Layout()
	n := layout.Size()
	s := &ServerStep{Job: job, Weighting: a.Weighting, Plan: plan, Answered: slices.Clone(answered), Start: start[:n:n], Next: next[:n:n]}
	for i, b := range a.Rule.State() {
		at := n * (i + 1)
		part := Renewal{Old: start[at : at+n : at+n], New: next[at : at+n : at+n]}
		if !b.Broadcast {
			copy(part.New, part.Old)
		}
		s.State = append(s.State, part)
	}
	means := buffersOf(layout, s.Next)
	a.Rule.Step(s)
	putBuffers(layout, s.Next, means)
	for _, v := range job.still(len(s.State) > 0) {
		copy(tensor.Of(s.Next, v), tensor.Of(s.Start, v))
	}
	if err := CheckFinite(layout, s.Next); err != nil {
		return err
	}
	return a.settle(layout, s.State)
}

// settle clears the state's buffers and looks whether it is finite.
func (a Algorithm) settle(layout *tensor.Layout, state []Renewal) error {
	for i, b := range a.Rule.State() {
		clearBuffers(layout, state[i].New)
		if err := CheckFinite(layout, state[i].New); err != nil {
			return fmt.Errorf("%s of the rule %s: %w", b.Name, a.Rule.Name(), err)
		}
	}
	return nil
}
