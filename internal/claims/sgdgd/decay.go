package sgdgd

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

type measurement = func(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error)

// Bounds on |measured/predicted - 1| of exact claims (PAPERS.md 8.1).
const (
	bound64 = 1e-10
	bound32 = 1e-5
)

// law predicts what a round does to weights that no gradient of the data reaches.
type law struct {
	job    *localsgd.Job
	memory theory.Memory
	server float64
}

// lawOf returns the law of a spec's runs for the tensor of that name, or why there is none (PAPERS.md 3.2 items 5 and 7).
func lawOf(s *claims.Setting, name string) (law, string) {
	l := s.Job.Local
	rule, fedavg := s.Algorithm.Rule.(localsgd.FedAvg)
	fits := func(globs []string) bool {
		return slices.ContainsFunc(globs, func(g string) bool { ok, err := path.Match(g, name); return ok && err == nil })
	}
	switch {
	case !fedavg:
		return law{}, fmt.Sprintf("the law is not implemented for the rule %s", s.Algorithm.Rule.Name())
	case l.AdamW != nil || l.SGD.Momentum != 0:
		return law{}, "the law is that of plain SGD, without momentum"
	case l.PathNorm != 0:
		return law{}, "the path norm's penalty moves every weight"
	case l.ClipUpdate != 0:
		return law{}, "updates are clipped, each by its own factor"
	case fits(l.Freeze) || fits(l.Personal) || fits(l.SGD.NoDecay):
		return law{}, fmt.Sprintf("%s is frozen, personal or without weight decay", name)
	case s.Job.Byzantine.Attack != nil:
		return law{}, "shards attack"
	}
	return law{s.Job, theory.Memory{WeightDecay: l.SGD.WeightDecay, Proximal: l.ProxMu}, rule.LR}, ""
}

// local returns the factor of the round's start in the end of the plan's i-th task.
func (l law) local(plan localsgd.Plan, i int) float64 {
	rates := make([]float64, l.job.Steps(plan.Task(i)))
	for t := range rates {
		rates[t] = l.job.Local.RateIn(plan.Round)
	}
	return l.memory.Local(rates)
}

// round returns the factor of the round's start in the next model.
func (l law) round(plan localsgd.Plan) float64 {
	var weights, locals []float64
	for i, task := range plan.Tasks {
		weights, locals = append(weights, task.Weight.Float()), append(locals, l.local(plan, i))
	}
	return theory.RoundDecay(weights, locals, l.server)
}

// part is the norm of a part of the first weight, a row-major matrix.
type part func(weight []float64) float64

// trace is what rounds did to a part of the first weight: entry 0 is the start.
type trace struct {
	steps               []int // local steps so far, the most of any task
	measured, predicted []float64
	whole               []float64 // norm of the whole weight
}

// worst returns the largest |measured/predicted - 1| after the rounds in which the part has more than floor of the whole weight's
// norm. A norm that is no number counts, too.
func (t *trace) worst(floor float64) claims.Worst {
	var worst claims.Worst
	for i := 1; i < len(t.measured); i++ {
		if !(t.predicted[i] <= floor*t.whole[i]) {
			worst.Add(math.Abs(t.measured[i]/t.predicted[i] - 1))
		}
	}
	return worst
}

// follow trains the rounds and follows a part of the first weight, beside the law.
func follow[F kernel.Float](ctx context.Context, r *localsgd.RunnerIn[F], rounds int, l law, p part) (*trace, error) {
	view, err := firstWeight(r.Job.Net)
	if err != nil {
		return nil, err
	}
	t := &trace{}
	add := func(steps int, factor float64, block []F) {
		w := wide(tensor.Of(block, view))
		t.steps = append(t.steps, steps)
		t.measured = append(t.measured, p(w))
		t.whole = append(t.whole, length(w))
		t.predicted = append(t.predicted, factor*t.measured[0])
	}
	start := wideOf[F](r.Job.Start())
	add(0, 1, start)
	factor := 1.0
	_, err = r.Run(ctx, rounds, func(f localsgd.RoundFacts, model []F) error {
		factor *= l.round(f.Plan)
		most := 0
		for i := range f.Plan.Tasks {
			most = max(most, r.Job.Steps(f.Plan.Task(i)))
		}
		add(t.steps[len(t.steps)-1]+most, factor, model)
		return nil
	})
	return t, err
}

// firstWeight returns the weight of a network's first layer, which must be linear.
func firstWeight(net *relu.Network) (tensor.View, error) {
	layers, name := net.Layers(), "0.weight"
	if len(layers) > 1 {
		if _, flatten := layers[0].(relu.Flatten); flatten {
			layers, name = layers[1:], "1.weight"
		}
	}
	if _, linear := layers[0].(relu.Linear); !linear {
		return tensor.View{}, fmt.Errorf("the claim is about linear first layers, not %T", layers[0])
	}
	view, _ := net.Layout().Lookup(name)
	return view, nil
}

// outside returns the part of a first weight outside of the span of all examples that the shards hold.
func outside(job *localsgd.Job) part {
	set, row := job.Data.Train, make([]float32, job.Data.Train.Size())
	var rows []float64
	for _, i := range used(job.Shards) {
		set.Features(row, int(i))
		rows = append(rows, wide(row)...)
	}
	return theory.NewRange(rows, set.Size()).Outside
}

// used returns the examples of all shards.
func used(shards shard.Shards) []int32 { return slices.Concat(shards...) }

func wide[F kernel.Float](values []F) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

func wideOf[F kernel.Float](values []float32) []F {
	out := make([]F, len(values))
	for i, v := range values {
		out[i] = F(v)
	}
	return out
}

func length(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}
