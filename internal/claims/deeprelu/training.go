package deeprelu

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
)

const (
	// trains is the test accuracy that a start has to reach to count as training (P2.6; PAPERS.md Y2 has .86).
	trains = 0.7
	// ahead is how much better it has to do than He's start (Y2 has .28 and .10 for that).
	ahead = 0.3
)

// starts are the arms of Y2; the first one is the spec's own.
var starts = []struct {
	name    string
	changes []string
}{
	{"near identity", nil},
	{"He", []string{he}},
	{"PyTorch's default", []string{"model.init={kaiming_uniform: {}}"}},
	{"near identity, 4 shards", []string{"shards.count=4"}},
}

// history is one run of Y2.
type history struct {
	accuracy []float64 // on the test set, after each round
	sums     []float64 // sum of ||P_n|| after each round, NaN where the network has no such form
	members  []float64 // the weighted mean of the shards' ends' sums, which averaging cannot raise
}

func (h history) last() float64 { return h.accuracy[len(h.accuracy)-1] }

func measureTraining(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return training(ctx, lab)
}

// training trains from every start, seed by seed. Averaging is checked on the way: sums of ||P_n|| are convex (Y3).
func training(ctx context.Context, lab *claims.Lab, extra ...string) (*claims.Outcome, error) {
	seeds := lab.Seeds()
	runs := make([]history, len(starts)*len(seeds))
	err := lab.Each(ctx, len(runs), func(ctx context.Context, i int) error {
		changes := append([]string{fmt.Sprint("seed=", seeds[i%len(seeds)])}, starts[i/len(seeds)].changes...)
		s, err := lab.Setting("P2.6", append(changes, extra...)...)
		if err != nil {
			return err
		}
		runs[i], err = trainFrom(ctx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	s, err := lab.Setting("P2.6", extra...)
	if err != nil {
		return nil, err
	}
	o := trainingOutcome(runs, len(seeds))
	o.Setup = fmt.Sprintf("%d hidden layers, %d examples, lr %g, %d rounds", len(s.Job.Net.Activations()), len(s.Job.Shards[0])*len(s.Job.Shards),
		s.Job.Local.LR(), s.Spec.Rounds)
	drawTraining(lab, runs, len(seeds))
	return o, nil
}

func trainingOutcome(runs []history, seeds int) *claims.Outcome {
	var near, lead []float64
	var worst claims.Worst
	text := ""
	for i, start := range starts {
		var ends []float64
		for _, h := range runs[i*seeds : (i+1)*seeds] {
			ends = append(ends, h.last())
			worst.Merge(h.spread())
		}
		text += fmt.Sprintf("; %s %.2f", start.name, claims.Mean(ends))
		if i == 0 {
			near = ends
		}
	}
	for j, h := range runs[seeds : 2*seeds] {
		lead = append(lead, near[j]-h.last())
	}
	o := claims.All(claims.TestTrend(near, claims.Above, trains), claims.TestTrend(lead, claims.Above, ahead), worst.Test(1+bound32))
	o.Predicted = fmt.Sprintf("test accuracy above %g near the identity, %g ahead of He's start; averages no farther from the identity than their members", trains, ahead)
	o.Measured = text[2:] + fmt.Sprintf("; sums of averages at most %.6f of their members'", worst.Value())
	return o
}

// spread returns the largest ratio of an average's sum to its members'; networks without such sums have none.
func (h history) spread() claims.Worst {
	var worst claims.Worst
	for r, sum := range h.sums {
		if !math.IsNaN(sum) {
			worst.Add(sum / h.members[r])
		}
	}
	return worst
}

// trainFrom trains a setting and follows its accuracy and its distance from the identity.
func trainFrom(ctx context.Context, s *claims.Setting) (history, error) {
	var h history
	test := localsgd.NewEvaluator(s.Job.Net, s.Job.Data.Test, 1)
	start := s.Job.Start()
	members := s.Runner()
	_, err := s.Runner().Run(ctx, s.Spec.Rounds, func(f localsgd.RoundFacts, model []float32) error {
		score, err := test.Evaluate(ctx, model)
		if err != nil {
			return err
		}
		sum, err := distance(s, model)
		if err != nil {
			return err
		}
		of := sum
		if len(f.Plan.Tasks) > 1 {
			if of, err = memberSums(ctx, s, members, f.Plan, start); err != nil {
				return err
			}
		}
		h.accuracy, h.sums, h.members = append(h.accuracy, score.Accuracy), append(h.sums, sum), append(h.members, of)
		copy(start, model)
		return nil
	})
	return h, err
}

// memberSums returns the weighted mean of the sums of the plan's ends. A plan of one participant makes its end the next model.
func memberSums(ctx context.Context, s *claims.Setting, r *localsgd.Runner, plan localsgd.Plan, start []float32) (float64, error) {
	end, total := make([]float32, len(start)), 0.0
	for _, task := range plan.Tasks {
		if _, err := r.Carry(ctx, s.Algorithm.PlanOf(s.Job, plan.Round, []int{task.Shard}, nil), start, end); err != nil {
			return 0, err
		}
		sum, err := distance(s, end)
		if err != nil {
			return 0, err
		}
		total += task.Weight.Float() * sum
	}
	return total, nil
}

// distance returns the sum of ||P_n|| of a model, NaN for networks of another form.
func distance(s *claims.Setting, block []float32) (float64, error) {
	var w analysis.Workspace
	d, err := activity.MeasureDepth(&w, s.Job.Net, block)
	if err != nil {
		return 0, err
	}
	if d.Reason != "" {
		return math.NaN(), nil
	}
	return d.SumP, nil
}
