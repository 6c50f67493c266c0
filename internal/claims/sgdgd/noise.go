package sgdgd

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

const (
	// watched is T0 of PAPERS.md 3.3 (d): over so many last steps singular values fluctuate.
	watched = 200
	// ordersApart is how many powers of ten the fluctuation of SGD has to be above that of gradient descent (P3.4).
	ordersApart = 1
	// rankEps is the threshold of the ranks that P3.6 compares.
	rankEps = 1e-3
	// trained and nearBest are the gate of rank comparisons (PAPERS.md 8.2).
	trained, nearBest = 0.95, 0.02
)

// tail is how the last steps of one run went.
type tail struct {
	fluctuation float64   // of singular values, relative, mean over the hidden weights
	step        float64   // ||change||/||weight|| of a step, mean over the last steps and hidden weights
	net         float64   // the same of all last steps together: how far they led
	top         []float64 // largest singular value of the second weight at each of the last steps
	mean        *analysis.MeanRanks
	accuracy    float64 // on the training set
}

// lastSteps trains a setting for its rounds, and then watches single steps.
func lastSteps(ctx context.Context, s *claims.Setting) (*tail, error) {
	r := s.Runner()
	block, err := r.Run(ctx, s.Spec.Rounds, func(localsgd.RoundFacts, []float32) error { return nil })
	if err != nil {
		return nil, err
	}
	start, end := slices.Clone(block), make([]float32, len(block))
	w := newWatch(s)
	for t := range watched {
		plan := s.Algorithm.PlanOf(s.Job, s.Spec.Rounds+1+t, []int{0}, []int{1})
		if _, err := r.Carry(ctx, plan, start, end); err != nil {
			return nil, err
		}
		if err := w.step(start, end); err != nil {
			return nil, err
		}
		start, end = end, start
	}
	return w.tail(ctx, block, start)
}

// watch collects single steps.
type watch struct {
	s       *claims.Setting
	hidden  []tensor.View
	spectra []noise.Fluctuation
	steps   noise.Steps
	top     []float64
	scratch analysis.Workspace
}

func newWatch(s *claims.Setting) *watch {
	w := &watch{s: s}
	layout := s.Job.Net.Layout()
	for i := range layout.Len() {
		if v := layout.At(i); len(v.Shape) > 1 {
			w.hidden = append(w.hidden, v)
		}
	}
	w.hidden = w.hidden[:max(1, len(w.hidden)-1)] // without the classifier
	w.spectra = make([]noise.Fluctuation, len(w.hidden))
	return w
}

func (w *watch) step(before, after []float32) error {
	w.steps.Add(noise.Changes(w.s.Job.Net.Layout(), before, after))
	for i, v := range w.hidden {
		rows, cols, _ := v.Matrix()
		values, err := w.scratch.Values(tensor.Of(after, v), rows, cols)
		if err != nil {
			return fmt.Errorf("singular values of %s: %w", v.Name, err)
		}
		w.spectra[i].Add(values)
		if i == min(1, len(w.hidden)-1) {
			w.top = append(w.top, values[0])
		}
	}
	return nil
}

// tail sums up the steps from first to block.
func (w *watch) tail(ctx context.Context, first, block []float32) (*tail, error) {
	t := &tail{top: w.top, step: hiddenMean(w.steps.Mean(), len(w.hidden)),
		net: hiddenMean(noise.Changes(w.s.Job.Net.Layout(), first, block), len(w.hidden))}
	for i := range w.spectra {
		if f := w.spectra[i].Relative(); f != nil {
			t.fluctuation += *f / float64(len(w.spectra))
		}
	}
	var err error
	t.mean, t.accuracy, err = endOf(ctx, &w.scratch, w.s, block)
	return t, err
}

// hiddenMean returns the mean of the first n changes, those that exist.
func hiddenMean(changes []noise.Change, n int) float64 {
	sum := 0.0
	for _, c := range changes[:n] {
		if c.Relative != nil {
			sum += *c.Relative / float64(n)
		}
	}
	return sum
}

// ranksOf returns the mean ranks of a model's weights but the classifier.
func ranksOf(ctx context.Context, w *analysis.Workspace, s *claims.Setting, block []float32) (*analysis.MeanRanks, error) {
	layers, err := w.Layers(ctx, s.Job.Net.Layout(), block, analysis.RankOptions{Epsilon: rankEps})
	if err != nil {
		return nil, err
	}
	mean, reason := analysis.AverageRanks(layers)
	if mean == nil {
		return nil, fmt.Errorf("no ranks: %s", reason)
	}
	return mean, nil
}

// endOf returns the ranks and the training accuracy of a model.
func endOf(ctx context.Context, w *analysis.Workspace, s *claims.Setting, block []float32) (*analysis.MeanRanks, float64, error) {
	mean, err := ranksOf(ctx, w, s, block)
	if err != nil {
		return nil, 0, err
	}
	score, err := localsgd.NewEvaluator(s.Job.Net, subset(s.Job.Data.Train, used(s.Job.Shards)), 1).Evaluate(ctx, block)
	return mean, score.Accuracy, err
}

// subset returns the examples of a set that a run trains on.
func subset(set *shard.Set, examples []int32) *shard.Set {
	if len(examples) == set.N {
		return set
	}
	out := &shard.Set{Shape: set.Shape, N: len(examples), Classes: set.Classes, Outputs: set.Outputs}
	row := make([]float32, set.Size())
	for _, i := range examples {
		set.Features(row, int(i))
		out.Values = append(out.Values, row...)
		if set.Labels != nil {
			out.Labels = append(out.Labels, set.Labels[i])
		}
		if set.Targets != nil {
			out.Targets = append(out.Targets, set.Targets[int(i)*set.Outputs:][:set.Outputs]...)
		}
	}
	return out
}

// couple is SGD and gradient descent of one seed, from the same start.
type couple struct{ sgd, gd *tail }

// equalUpdates trains SGD and gradient descent for equally many updates, for every seed.
func equalUpdates(ctx context.Context, lab *claims.Lab) ([]couple, error) {
	return claims.Once(lab, "sgd-vs-gd equal updates", func() ([]couple, error) {
		seeds := lab.Seeds()
		out := make([]couple, len(seeds))
		err := lab.Each(ctx, 2*len(seeds), func(ctx context.Context, i int) error {
			changes := noiseChanges(lab, seeds[i/2])
			if i%2 == 1 {
				sgd, err := lab.Setting("P3.4", changes...)
				if err != nil {
					return err
				}
				updates := sgd.Job.Steps(sgd.Algorithm.Plan(sgd.Job, 1).Task(0))
				changes = append(changes, "local.batch=0", fmt.Sprint("local.steps=", updates))
			}
			s, err := lab.Setting("P3.4", changes...)
			if err != nil {
				return err
			}
			t, err := lastSteps(ctx, s)
			if i%2 == 0 {
				out[i/2].sgd = t
			} else {
				out[i/2].gd = t
			}
			return err
		})
		return out, err
	})
}

// noiseChanges makes all but the full size smaller: with a quarter of the examples a step of gradient descent costs a quarter,
// and four times as many rounds make the same number of updates.
func noiseChanges(lab *claims.Lab, seed uint64) []string {
	changes := []string{fmt.Sprint("seed=", seed)}
	if lab.Size < claims.Full {
		if s, err := lab.Spec("P3.4"); err == nil && s.Shards.Limit == 0 {
			changes = append(changes, lab.Yielding("shards.limit=128", fmt.Sprint("rounds=", 4*s.Rounds))...)
		}
	}
	return changes
}

func measureFluctuation(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	couples, err := equalUpdates(ctx, lab)
	if err != nil {
		return nil, err
	}
	s, err := lab.Setting("P3.4", noiseChanges(lab, 1)...)
	if err != nil {
		return nil, err
	}
	o := fluctuation(couples)
	updates := s.Spec.Rounds * s.Job.Steps(s.Algorithm.Plan(s.Job, 1).Task(0))
	o.Setup = fmt.Sprintf("%d examples, B = %d against all, lr %g, wd %g, %d updates each, then %d watched", len(used(s.Job.Shards)),
		s.Job.Local.Schedule.Batch, s.Job.Local.LR(), s.Job.Local.SGD.WeightDecay, updates, watched)
	drawFluctuation(lab, couples)
	return o, nil
}

// fluctuation compares how singular values fluctuate over the last steps.
func fluctuation(couples []couple) *claims.Outcome {
	var apart, sgd, gd, steps, led []float64
	for _, c := range couples {
		apart = append(apart, math.Log10(c.sgd.fluctuation/c.gd.fluctuation))
		sgd, gd = append(sgd, c.sgd.fluctuation), append(gd, c.gd.fluctuation)
		steps, led = append(steps, c.sgd.step/c.gd.step), append(led, c.gd.net)
	}
	o := claims.TestTrend(apart, claims.Above, ordersApart)
	o.Predicted = fmt.Sprintf("log10 of the ratio above %d", ordersApart)
	o.Measured = fmt.Sprintf("singular values of SGD fluctuate by %.2g of themselves, of gradient descent by %.2g; a step moves SGD %.3g times as far",
		claims.Mean(sgd), claims.Mean(gd), claims.Mean(steps))
	if o.Verdict != claims.Holds {
		o.Why += fmt.Sprintf("; what gradient descent has is drift: its last %d steps led %.2g of the weights' norm away", watched, claims.Mean(led))
	}
	return o
}

func drawFluctuation(lab *claims.Lab, couples []couple) {
	x := make([]float64, watched)
	for i := range x {
		x[i] = float64(i + 1)
	}
	panel := figure.Panel{Title: "largest singular value of the second weight", X: "last updates", Y: "value / mean - 1"}
	table := claims.Table{Name: "sgd-vs-gd-fluctuation", Columns: []string{"seed", "method", "fluctuation", "step", "rank", "effective_rank", "train_accuracy"}}
	for i, c := range couples {
		for _, m := range []struct {
			name string
			t    *tail
		}{{"SGD", c.sgd}, {"GD", c.gd}} {
			table.Rows = append(table.Rows, []string{strconv.Itoa(i + 1), m.name, number(m.t.fluctuation), number(m.t.step),
				number(m.t.mean.Rank), number(m.t.mean.EffectiveRank), number(m.t.accuracy)})
			if i > 0 {
				continue
			}
			level, y := claims.Mean(m.t.top), make([]float64, len(m.t.top))
			for j, v := range m.t.top {
				y[j] = v/level - 1
			}
			panel.Lines = append(panel.Lines, figure.Line{Name: m.name, X: x, Y: y, Style: figure.Solid})
		}
	}
	lab.Tabulate(table)
	lab.DrawPanel("sgd-vs-gd", frame, placeFluctuation, panel)
}
