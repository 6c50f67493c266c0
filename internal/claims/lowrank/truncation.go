package lowrank

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// What P1.8 asks for, in parts of 1.
const (
	truncationEps   = 0.05
	truncationCosts = 0.005 // of test accuracy, by truncation
	rankCosts       = 0.03  // of test accuracy, between runs whose ranks differ by rankFactor
	rankFactor      = 2
)

// truncationGrid returns the settings of the norm network of P1.8.
func truncationGrid() [][]string {
	var out [][]string
	for _, b := range []int{16, 64} {
		for _, wd := range []float64{1e-3, 5e-3, 1e-2, 2e-2} {
			out = append(out, []string{fmt.Sprint("local.batch=", b), fmt.Sprint("local.optimizer.sgd.weight_decay=", wd)})
		}
	}
	return out
}

// truncation is P1.8: the lost directions did not matter. In the network of the spec and in the plain ones of P1.14.
func truncation(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	normed, err := endAll(ctx, lab, "P1.8", lab.Seeds(), truncationGrid())
	if err != nil {
		return nil, err
	}
	unnormed, err := endAll(ctx, lab, "P1.14", lab.Seeds(), collapseGrid(lab))
	if err != nil {
		return nil, err
	}
	var parts []*claims.Outcome
	total := &claims.Gate{}
	measured, cuts := "", []cut{}
	for _, family := range []struct {
		name string
		runs [][]*ended
	}{{"with norms", normed}, {"plain", unnormed}} {
		kept, g := gate(family.runs)
		total.Rule, total.Kept, total.Dropped = g.Rule, total.Kept+g.Kept, total.Dropped+g.Dropped
		f, err := cutAll(ctx, lab, family.runs, kept)
		if err != nil {
			return nil, err
		}
		cuts = append(cuts, f...)
		worst, apart := costs(f, len(lab.Seeds()))
		parts = append(parts, judgeCosts(family.name, worst, apart)...)
		measured += fmt.Sprintf("%s: %s; ", family.name, describeCuts(f, worst, apart))
	}
	o := claims.All(parts...)
	if total.Kept == 0 {
		o.Verdict = claims.Inconclusive
	}
	o.Gate = total
	o.Setup = fmt.Sprintf("%d settings with norms, %d without, every hidden weight cut to its rank@%g", len(normed), len(unnormed), truncationEps)
	o.Predicted = fmt.Sprintf("test accuracy changes by at most %g; between runs whose ranks differ by a factor of %d by at most %g", truncationCosts, rankFactor, rankCosts)
	o.Measured = measured[:len(measured)-2]
	drawTruncation(lab, cuts)
	return o, nil
}

// judgeCosts judges what truncation costs, and what runs of different ranks cost, each by the seeds that had something to compare.
func judgeCosts(family string, truncated, apart []float64) []*claims.Outcome {
	judge := func(what, needed string, bySeed []float64, most float64) *claims.Outcome {
		there := slices.DeleteFunc(slices.Clone(bySeed), math.IsNaN)
		o := claims.TestTrend(there, claims.Below, most)
		if len(there) < 2 {
			o = claims.Untested(fmt.Sprintf("%d of %d seeds have %s, and an interval takes two", len(there), len(bySeed), needed))
		}
		o.Why = fmt.Sprintf("%s, %s: %s", family, what, o.Why)
		return o
	}
	return []*claims.Outcome{
		judge("truncated", "a run that passed the gate", truncated, truncationCosts),
		judge(fmt.Sprintf("ranks apart by a factor of %d", rankFactor), "two such runs", apart, rankCosts),
	}
}

func describeCuts(cuts []cut, truncated, apart []float64) string {
	if len(cuts) == 0 {
		return "no run has passed the gate"
	}
	text := fmt.Sprintf("%d runs, rank@%g %.0f to %.0f, truncation changes test accuracy by %.4f at most",
		len(cuts), truncationEps, extreme(cuts, -1), extreme(cuts, 1), slices.Max(truncated))
	if there := slices.DeleteFunc(slices.Clone(apart), math.IsNaN); len(there) > 0 {
		return text + fmt.Sprintf(", ranks %d times as large by %.3f", rankFactor, slices.Max(there))
	}
	return text + fmt.Sprintf(", no two ranks are apart by a factor of %d", rankFactor)
}

// cut is a run before and after truncation.
type cut struct {
	seed          int
	rank          float64 // mean eps-rank
	before, after float64 // test accuracy
}

func cutAll(ctx context.Context, lab *claims.Lab, runs [][]*ended, kept []int) ([]cut, error) {
	seeds := len(lab.Seeds())
	out := make([]cut, len(kept)*seeds)
	err := lab.Each(ctx, len(out), func(_ context.Context, n int) error {
		e := runs[kept[n/seeds]][n%seeds]
		model, err := truncated(e, truncationEps)
		if err != nil {
			return err
		}
		out[n] = cut{seed: n % seeds, rank: e.rank(truncationEps), before: e.test, after: e.setting.TestAccuracy(model, scored)}
		return nil
	})
	return out, err
}

// truncated returns the model with every hidden weight cut to its eps-rank.
func truncated(e *ended, eps float64) ([]float32, error) {
	model := slices.Clone(e.model)
	for i, view := range claims.Hidden(e.setting.Job.Net) {
		rows, cols, _ := view.Matrix()
		weight := tensor.Of(model, view)
		if err := analysis.Truncate(weight, weight, rows, cols, analysis.EpsRank(e.after[i], eps)); err != nil {
			return nil, fmt.Errorf("truncating %s: %w", view.Name, err)
		}
	}
	return model, nil
}

// costs returns, for each seed, the largest change of the test accuracy by truncation, and the largest difference between runs
// whose ranks differ by the factor; NaN for seeds without such runs.
func costs(cuts []cut, seeds int) (truncated, apart []float64) {
	changed, differ := make([]claims.Worst, seeds), make([]claims.Worst, seeds)
	for _, a := range cuts {
		changed[a.seed].Add(math.Abs(a.after - a.before))
		for _, b := range cuts {
			if a.seed == b.seed && a.rank >= rankFactor*b.rank && a.rank > b.rank {
				differ[a.seed].Add(math.Abs(a.before - b.before))
			}
		}
	}
	for k := range seeds {
		truncated, apart = append(truncated, changed[k].Value()), append(apart, differ[k].Value())
	}
	return truncated, apart
}

// extreme returns the largest (sign 1) or smallest (-1) rank.
func extreme(cuts []cut, sign float64) float64 {
	best := math.Inf(-1)
	for _, c := range cuts {
		best = max(best, sign*c.rank)
	}
	return sign * best
}
