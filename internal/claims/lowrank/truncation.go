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
		one, other := claims.TestTrend(worst, claims.Below, truncationCosts), claims.TestTrend(apart, claims.Below, rankCosts)
		one.Why = family.name + ", truncated: " + one.Why
		other.Why = family.name + ", ranks apart by a factor of 2: " + other.Why
		parts = append(parts, one, other)
		measured += fmt.Sprintf("%s: %d runs, rank@%g %.0f to %.0f, truncation changes test accuracy by %.4f at most, ranks twice as large by %.3f; ",
			family.name, len(f), truncationEps, extreme(f, -1), extreme(f, 1), slices.Max(append(worst, 0)), slices.Max(append(apart, 0)))
	}
	o := claims.All(parts...)
	o.Gate = total
	o.Setup = fmt.Sprintf("%d settings with norms, %d without, every hidden weight cut to its rank@%g", len(normed), len(unnormed), truncationEps)
	o.Predicted = fmt.Sprintf("test accuracy changes by at most %g; between runs whose ranks differ by a factor of %d by at most %g", truncationCosts, rankFactor, rankCosts)
	o.Measured = measured[:len(measured)-2]
	drawTruncation(lab, cuts)
	return o, nil
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
// whose ranks differ by the factor.
func costs(cuts []cut, seeds int) (truncated, apart []float64) {
	truncated, apart = make([]float64, seeds), make([]float64, seeds)
	for _, a := range cuts {
		truncated[a.seed] = max(truncated[a.seed], math.Abs(a.after-a.before))
		for _, b := range cuts {
			if a.seed == b.seed && a.rank >= rankFactor*b.rank {
				apart[a.seed] = max(apart[a.seed], math.Abs(a.before-b.before))
			}
		}
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
