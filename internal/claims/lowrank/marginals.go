package lowrank

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// What P1.1 to P1.3 ask for.
const (
	marginalEps      = 1e-3
	marginalSpearman = 0.8
	fewestSettings   = 5
)

// sweep is a claim on one hyperparameter at equal epochs.
type sweep struct {
	id, path, axis string
	values         []float64
	falls          bool // the rank falls with the hyperparameter
}

var sweeps = []sweep{
	{"P1.1", "local.optimizer.sgd.lr", "learning rate", []float64{0.005, 0.01, 0.02, 0.03, 0.05, 0.1}, true},
	{"P1.2", "local.optimizer.sgd.weight_decay", "weight decay", []float64{0, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2}, true},
	{"P1.3", "local.batch", "batch size", []float64{4, 8, 16, 32, 64}, false},
}

// settings returns the changes of the spec.
func (w sweep) settings() [][]string {
	var out [][]string
	for _, v := range w.values {
		out = append(out, []string{fmt.Sprintf("%s=%v", w.path, v)})
	}
	return out
}

// measure decides by three numbers: how far effective rank and eps-rank move from one end of the sweep to the other, and the rank
// correlation of the effective rank with the hyperparameter.
func (w sweep) measure(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	all, err := endAll(ctx, lab, w.id, smallSeeds(lab), w.settings())
	if err != nil {
		return nil, err
	}
	kept, g := gate(all)
	o := w.decide(all, kept)
	o.Gate = g
	s, err := lab.Spec(w.id)
	if err != nil {
		return nil, err
	}
	o.Setup = fmt.Sprintf("the spec's network, %d epochs, batch %d, lr %g, wd %g, %s varied in %v, %d seeds",
		s.Rounds, s.Local.Schedule.Batch, s.Local.SGD.LR, s.Local.SGD.WeightDecay, w.axis, w.values, len(all[0]))
	o.Predicted = map[bool]string{true: "ranks fall", false: "ranks rise"}[w.falls] + fmt.Sprintf(", |Spearman| >= %g", marginalSpearman)
	o.Measured = w.table(all)
	o.Why += "; P1.1 to P1.3 are one effect at equal epochs, that of Lambda, and P1.14 has their marginals on MNIST"
	w.draw(lab, all)
	return o, nil
}

// decide compares the settings that were kept.
func (w sweep) decide(all [][]*ended, kept []int) *claims.Outcome {
	if len(kept) < fewestSettings {
		return &claims.Outcome{Verdict: claims.Inconclusive, Why: fmt.Sprintf("%d settings have passed the gate, %d are needed", len(kept), fewestSettings)}
	}
	var effective, eps, spearman []float64
	first, last := all[kept[0]], all[kept[len(kept)-1]]
	for j := range first {
		effective = append(effective, last[j].effective()-first[j].effective())
		eps = append(eps, last[j].rank(marginalEps)-first[j].rank(marginalEps))
		var x, y []float64
		for _, i := range kept {
			x, y = append(x, w.values[i]), append(y, all[i][j].effective())
		}
		spearman = append(spearman, claims.Spearman(x, y))
	}
	side, sign := claims.Below, -1.0
	if !w.falls {
		side, sign = claims.Above, 1
	}
	parts := []*claims.Outcome{
		claims.TestTrend(effective, side, 0), claims.TestTrend(eps, side, 0), claims.TestTrend(spearman, side, sign*marginalSpearman),
	}
	for i, name := range []string{"effective rank, end to end", fmt.Sprintf("rank@%g, end to end", marginalEps), "Spearman of effective rank"} {
		parts[i].Why = name + ": " + parts[i].Why
	}
	return claims.All(parts...)
}

// table tells the mean ranks of each setting.
func (w sweep) table(all [][]*ended) string {
	var parts []string
	for i, runs := range all {
		parts = append(parts, fmt.Sprintf("%v: %.1f (%.1f)", w.values[i], mean(runs, (*ended).effective), mean(runs, func(e *ended) float64 { return e.rank(marginalEps) })))
	}
	return fmt.Sprintf("effective rank (rank@%g): %s", marginalEps, strings.Join(parts, ", "))
}

func mean(runs []*ended, number func(e *ended) float64) float64 {
	sum := 0.0
	for _, e := range runs {
		sum += number(e) / float64(len(runs))
	}
	return sum
}
