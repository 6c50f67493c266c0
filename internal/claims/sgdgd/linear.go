package sgdgd

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// outsideFloor is the share of the weight's norm below which the rounding of the weight itself shows in the part outside of the
// data's span (P3.1).
const outsideFloor = 0.01

// arm is one way to make the epochs of the experiment: a batch size.
type arm struct {
	name         string
	changes      []string
	wide, narrow *trace // in float64 and in float32
	perEpoch     int    // updates
}

// arms are the spec's batch size, its double and fivefold, and the whole shard, which is gradient descent. For Z1 (ten
// examples) that is 1, 2, 5 and 10.
func arms(s *claims.Setting) []*arm {
	n, b := len(s.Job.Shards[0]), max(1, s.Job.Local.Schedule.Batch)
	var list []*arm
	for _, size := range []int{b, 2 * b, 5 * b} {
		if size < n {
			list = append(list, &arm{name: fmt.Sprint("B=", size), changes: []string{fmt.Sprint("local.batch=", size)}})
		}
	}
	return append(list, &arm{name: "GD", changes: []string{"local.batch=0"}})
}

// runArms trains every arm in both precisions. Extra changes are those that the prediction does not know of: controls.
func runArms(ctx context.Context, lab *claims.Lab, id string, extra ...string) ([]*arm, *claims.Setting, error) {
	base, err := lab.Setting(id)
	if err != nil {
		return nil, nil, err
	}
	list := arms(base)
	err = lab.Each(ctx, len(list), func(ctx context.Context, i int) error { return list[i].run(ctx, lab, id, extra) })
	return list, base, err
}

func (a *arm) run(ctx context.Context, lab *claims.Lab, id string, extra []string) error {
	told, err := lab.Setting(id, a.changes...)
	if err != nil {
		return err
	}
	done, err := lab.Setting(id, append(append([]string(nil), a.changes...), extra...)...)
	if err != nil {
		return err
	}
	view, err := firstWeight(told.Job.Net)
	if err != nil {
		return err
	}
	l, reason := lawOf(told, view.Name)
	if reason != "" {
		return fmt.Errorf("no law for %s: %s", id, reason)
	}
	p := outside(told.Job)
	a.perEpoch = told.Job.Steps(told.Algorithm.Plan(told.Job, 1).Task(0))
	if a.wide, err = follow(ctx, done.Runner64(), told.Spec.Rounds, l, p); err != nil {
		return err
	}
	a.narrow, err = follow(ctx, done.Runner(), told.Spec.Rounds, l, p)
	return err
}

// exact is the outcome of an exact claim measured in both precisions.
func exact(worst64, worst32 claims.Worst) *claims.Outcome {
	o := claims.All(worst64.Test(bound64), worst32.Test(bound32))
	o.Predicted = fmt.Sprintf("relative error <= %g in float64, <= %g in float32", bound64, bound32)
	o.Measured = fmt.Sprintf("%.2g in float64, %.2g in float32", worst64.Value(), worst32.Value())
	return o
}

func describe(s *claims.Setting) string {
	l := s.Job.Local
	return fmt.Sprintf("%d examples of %d numbers, lr %g, wd %g, %d rounds", len(used(s.Job.Shards)), s.Job.Net.Inputs(), l.LR(),
		l.SGD.WeightDecay, s.Spec.Rounds)
}

func measurePerUpdate(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return perUpdate(ctx, lab, "P3.1")
}

// perUpdate compares the part outside of the data's span with the product of 1 - lr wd, after every epoch of every arm.
func perUpdate(ctx context.Context, lab *claims.Lab, id string, extra ...string) (*claims.Outcome, error) {
	list, base, err := runArms(ctx, lab, id, extra...)
	if err != nil {
		return nil, err
	}
	o := exact(worstOf(list))
	o.Setup = describe(base)
	for _, a := range list {
		last := len(a.wide.measured) - 1
		o.Measured += fmt.Sprintf("; %s: %.5f left of predicted %.5f", a.name, a.wide.measured[last]/a.wide.measured[0],
			a.wide.predicted[last]/a.wide.measured[0])
	}
	drawOutside(lab, list)
	return o, nil
}

func worstOf(list []*arm) (worst64, worst32 claims.Worst) {
	for _, a := range list {
		worst64.Merge(a.wide.worst(outsideFloor))
		worst32.Merge(a.narrow.worst(outsideFloor))
	}
	return worst64, worst32
}

func measurePerEpoch(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return perEpoch(ctx, lab, "P3.2", func(a, gd *arm) float64 { return float64(a.perEpoch) / float64(gd.perEpoch) })
}

// perEpoch compares the exponents of decay by epoch with those of gradient descent; law is the predicted ratio.
func perEpoch(ctx context.Context, lab *claims.Lab, id string, law func(a, gd *arm) float64) (*claims.Outcome, error) {
	list, base, err := runArms(ctx, lab, id)
	if err != nil {
		return nil, err
	}
	gd := list[len(list)-1]
	var worst64, worst32 claims.Worst
	text := ""
	for _, a := range list[:len(list)-1] {
		want := law(a, gd)
		worst64.Add(math.Abs(exponent(a.wide)/exponent(gd.wide)/want - 1))
		worst32.Add(math.Abs(exponent(a.narrow)/exponent(gd.narrow)/want - 1))
		text += fmt.Sprintf("; %s: %.6f of %g times", a.name, exponent(a.wide)/exponent(gd.wide), want)
	}
	o := exact(worst64, worst32)
	o.Setup = describe(base)
	o.Measured += text
	return o, nil
}

// exponent returns -ln(end/start)/epochs, up to the last epoch in which the part is above the floor.
func exponent(t *trace) float64 {
	last := 0
	for i := range t.measured {
		if t.measured[i] > outsideFloor*t.whole[i] {
			last = i
		}
	}
	return -math.Log(t.measured[last]/t.measured[0]) / float64(last)
}

func measureRemoved(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return removed(ctx, lab, "local.optimizer.sgd.weight_decay=0", "model.init={zero: {}}")
}

// removed trains once with each of the changes that take the effect away: without decay the part has to stay as it was, from
// zero it has to stay zero.
func removed(ctx context.Context, lab *claims.Lab, without, zero string) (*claims.Outcome, error) {
	const id = "P3.3"
	kept, base, err := runArms(ctx, lab, id, without)
	if err != nil {
		return nil, err
	}
	nothing, _, err := runArms(ctx, lab, id, zero)
	if err != nil {
		return nil, err
	}
	var worst64, worst32 claims.Worst
	for i := range kept {
		worst64.Merge(kept[i].wide.moved())
		worst64.Merge(nothing[i].wide.share())
		worst32.Merge(kept[i].narrow.moved())
		worst32.Merge(nothing[i].narrow.share())
	}
	o := exact(worst64, worst32)
	o.Setup = describe(base) + "; once with weight decay 0, once from a zero start"
	return o, nil
}

// moved returns the largest change of the part since the start, relative to it.
func (t *trace) moved() claims.Worst {
	var worst claims.Worst
	for i := 1; i < len(t.measured); i++ {
		worst.Add(math.Abs(t.measured[i]/t.measured[0] - 1))
	}
	return worst
}

// share returns the part's largest share of the whole weight after training began.
func (t *trace) share() claims.Worst {
	var worst claims.Worst
	for i := 1; i < len(t.measured); i++ {
		worst.Add(t.measured[i] / t.whole[i])
	}
	return worst
}

func measureCyclic(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	s, err := lab.Spec("P3.5")
	if err != nil {
		return nil, err
	}
	update, err := perUpdate(ctx, lab, "P3.5")
	if err != nil {
		return nil, err
	}
	epoch, err := perEpoch(ctx, lab, "P3.5", func(a, gd *arm) float64 { return float64(a.perEpoch) / float64(gd.perEpoch) })
	if err != nil {
		return nil, err
	}
	o := claims.All(update, epoch)
	o.Setup = update.Setup + ", order " + s.Local.Schedule.Order.String()
	return o, nil
}

// variants are other ways from the round's start to the next model, with factors of their own (PAPERS.md 3.2 item 7).
var variants = []struct {
	name    string
	changes []string
}{
	{"fedavg", nil},
	{"server lr 0.5", []string{"server={fedavg: {lr: 0.5}}"}},
	{"fedprox 0.1", []string{"local.prox_mu=0.1"}},
}

func measureRounds(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return rounds(ctx, lab)
}

// rounds compares averages and local models with the law, round by round; extra changes are not known to the law.
func rounds(ctx context.Context, lab *claims.Lab, extra ...string) (*claims.Outcome, error) {
	var worst64, worst32 claims.Worst
	var base *claims.Setting
	text := ""
	for _, v := range variants {
		told, err := lab.Setting("P3.7", v.changes...)
		if err != nil {
			return nil, err
		}
		done, err := lab.Setting("P3.7", append(append([]string(nil), v.changes...), extra...)...)
		if err != nil {
			return nil, err
		}
		w64, left, err := roundsIn(ctx, done.Runner64(), told)
		if err != nil {
			return nil, err
		}
		w32, _, err := roundsIn(ctx, done.Runner(), told)
		if err != nil {
			return nil, err
		}
		worst64.Merge(w64)
		worst32.Merge(w32)
		text += fmt.Sprintf("; %s: %.5f a round", v.name, left)
		if base == nil {
			base = told
		}
	}
	o := exact(worst64, worst32)
	o.Setup = fmt.Sprintf("%s, K = %d, H = %d; also with server lr 0.5 and with a proximal term", describe(base),
		len(base.Job.Shards), base.Job.Steps(base.Algorithm.Plan(base.Job, 1).Task(0)))
	o.Measured += text
	return o, nil
}

// roundsIn returns the worst relative error of the law for averages and local models, and the mean factor of a round.
func roundsIn[F kernel.Float](ctx context.Context, r *localsgd.RunnerIn[F], told *claims.Setting) (worst claims.Worst, left float64, err error) {
	view, err := firstWeight(told.Job.Net)
	if err != nil {
		return worst, 0, err
	}
	l, reason := lawOf(told, view.Name)
	if reason != "" {
		return worst, 0, fmt.Errorf("no law for P3.7: %s", reason)
	}
	p := outside(told.Job)
	t, err := follow(ctx, r, told.Spec.Rounds, l, p)
	if err != nil {
		return worst, 0, err
	}
	locals, err := localEnds(ctx, r, l, p)
	n := float64(len(t.measured) - 1)
	worst = t.worst(outsideFloor)
	worst.Merge(locals)
	return worst, math.Pow(t.measured[len(t.measured)-1]/t.measured[0], 1/n), err
}

// localEnds returns the worst relative error of the law for the local models of round 1. A plan of one participant makes its end
// the next model, once the server takes the mean itself.
func localEnds[F kernel.Float](ctx context.Context, r *localsgd.RunnerIn[F], l law, p part) (worst claims.Worst, err error) {
	algorithm := r.Algorithm
	algorithm.Rule = localsgd.FedAvg{LR: 1}
	one := &localsgd.RunnerIn[F]{Job: r.Job, Algorithm: algorithm}
	view, err := firstWeight(r.Job.Net)
	if err != nil {
		return worst, err
	}
	start := wideOf[F](r.Job.Start())
	end := make([]F, len(start))
	before := p(wide(tensor.Of(start, view)))
	for _, k := range r.Algorithm.Plan(r.Job, 1).Shards() {
		plan := algorithm.PlanOf(r.Job, 1, []int{k}, nil)
		if _, err := one.Carry(ctx, plan, start, end); err != nil {
			return worst, err
		}
		worst.Add(math.Abs(p(wide(tensor.Of(end, view)))/(before*l.local(plan, 0)) - 1))
	}
	return worst, nil
}
