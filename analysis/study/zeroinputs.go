package study

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// measureZeroInputs says P3.8 for the round: "zero_inputs", how many inputs are 0 in every training example, "zero_inputs.norm" of
// the first weight's columns there after the round, "zero_inputs.predicted", their norm before it times its exact factor, and
// "zero_inputs.off", the relative difference of the two, which is at most "zero_inputs.rounding" where that is known.
func measureZeroInputs(_ context.Context, m *measurement) error {
	weight, reason := m.firstWeight()
	for _, t := range m.Plan.Tasks {
		if reason == "" && len(m.Job.Shards[t.Shard]) == 0 {
			reason = fmt.Sprintf("this process does not have shard %d, which takes part", t.Shard)
		}
	}
	if reason != "" {
		m.miss(string(ZeroInputs), reason)
		return nil
	}
	dead := theory.DeadInputs(m.Job.Data.Train, nil)
	m.say("zero_inputs", whole, float64(len(dead)))
	if len(dead) == 0 {
		m.miss("zero_inputs.norm", "no input is 0 in every example")
		return nil
	}
	factor, reason := m.decay(weight)
	if reason != "" {
		m.say("zero_inputs.norm", whole.against(Next).in(weight.Name), theory.ColumnNorm(m.next, weight, dead))
		m.miss("zero_inputs.predicted", reason)
		return nil
	}
	d := theory.Compare(theory.ColumnNorm(m.start, weight, dead), factor, theory.ColumnNorm(m.next, weight, dead))
	m.say("zero_inputs.norm", whole.against(Next).in(weight.Name), d.Measured)
	m.say("zero_inputs.predicted", whole.against(Next).in(weight.Name), d.Predicted)
	m.sayIf("zero_inputs.off", whole.against(Next).in(weight.Name), d.Relative, "the columns are 0")
	rounding, reason := m.rounding(d.Predicted)
	m.sayIf("zero_inputs.rounding", whole.against(Next).in(weight.Name), rounding, reason)
	return nil
}

// rounding returns how far rounding may take the norm of weights that no gradient reaches from what is predicted of it, or why that
// is not known.
func (m *measurement) rounding(predicted float64) (relative *float64, reason string) {
	const (
		stated = 1e-5    // the bound of exact claims in float32
		step   = 0x1p-23 // of one value: the product with the decay and the difference are rounded
		grid   = 1e-12   // of the norm, an update: half a quantum of the exact mean a value, of millions of values
	)
	l := m.Job.Local
	server, reason := m.serverRate()
	if reason != "" {
		return nil, reason
	}
	switch decay := l.RateIn(m.Plan.Round) * l.SGD.WeightDecay; {
	case l.ProxMu > 0:
		return nil, "the proximal term cancels"
	case decay > 0.5 || server > 1:
		return nil, fmt.Sprintf("a decay of %g a step and a server rate of %g may cancel", decay, server)
	case predicted == 0:
		return nil, "the columns are 0"
	}
	longest := 0
	for i := range m.Plan.Tasks {
		longest = max(longest, m.Job.Steps(m.Plan.Task(i)))
	}
	allowed := stated + step*float64(longest+2) + grid*float64(len(m.Plan.Tasks))/predicted
	return &allowed, ""
}

// firstWeight returns the weight that reads the inputs.
func (m *measurement) firstWeight() (tensor.View, string) {
	for i, l := range m.net().Layers() {
		switch l.(type) {
		case relu.Flatten:
			continue
		case relu.Linear:
			v, _ := m.layout().Lookup(fmt.Sprintf("%d.weight", i))
			return v, ""
		}
		break
	}
	return tensor.View{}, "the first layer is not linear"
}

// decay returns the factor of the round on weights that no gradient reaches, or why there is none.
func (m *measurement) decay(weight tensor.View) (factor float64, reason string) {
	l := m.Job.Local
	if reason := m.plainSGD(); reason != "" {
		return 0, reason
	}
	server, reason := m.serverRate()
	if reason != "" {
		return 0, reason
	}
	if matches(l.Freeze, weight.Name) {
		return 0, "the weight is frozen"
	}
	memory := theory.Memory{WeightDecay: l.SGD.WeightDecay, Proximal: l.ProxMu}
	if matches(l.SGD.NoDecay, weight.Name) {
		memory.WeightDecay = 0
	}
	var weights, locals []float64
	for i, t := range m.Plan.Tasks {
		rates := slices.Repeat([]float64{l.RateIn(m.Plan.Round)}, m.Job.Steps(m.Plan.Task(i)))
		weights, locals = append(weights, t.Weight.Float()), append(locals, memory.Local(rates))
	}
	return theory.RoundDecay(weights, locals, server), ""
}

// serverRate returns s of a rule that goes start - s (start - mean), or why the round's law is not known. With momentum it is a recurrence
// in the start and what the rule remembers (3.2 item 7), which stays with the coordinator.
func (m *measurement) serverRate() (float64, string) {
	switch rule := m.Algorithm.Rule.(type) {
	case localsgd.FedAvg:
		return rule.LR, ""
	case localsgd.FedAvgM:
		if rule.Beta == 0 {
			return rule.LR, ""
		}
		return 0, "the momentum of fedavgm stays with the coordinator, and the law needs it"
	}
	return 0, fmt.Sprintf("the law is not implemented for the rule %s", m.Algorithm.Rule.Name())
}

// matches tells whether one of the globs, which Job.Check has passed, fits a name.
func matches(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		ok, err := path.Match(glob, name)
		return ok && err == nil
	})
}
