package lowrank

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// What P1.9 asks for: Dist over the last fifth of a run relative to its second fifth, and the rank correlation of its plateau with
// weight decay.
const (
	plateauKept     = 0.5
	plateauSpearman = 0.8
)

// plateauDecays are the weight decays of P1.9; the first one is the reference without.
var plateauDecays = []float64{0, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2}

// plateau is P1.9: with weight decay and mini-batches, the relative movement an epoch does not vanish, and more decay moves more.
func plateau(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	var settings [][]string
	for _, wd := range plateauDecays {
		settings = append(settings, []string{fmt.Sprintf("local.optimizer.sgd.weight_decay=%v", wd)})
	}
	all, err := endAll(ctx, lab, "P1.9", smallSeeds(lab), settings)
	if err != nil {
		return nil, err
	}
	o := decidePlateau(all[1:], plateauDecays[1:])
	s := all[0][0].setting
	updates := float64(len(s.Job.Shards[0])) / float64(s.Job.Local.Schedule.Batch)
	o.Setup = fmt.Sprintf("the spec's network, %d epochs of %.0f updates, lr %g, weight decay %v", s.Spec.Rounds, updates, s.Job.Local.SGD.LR, plateauDecays)
	o.Predicted = fmt.Sprintf("last fifth of the run at least %g of the second; rising with weight decay; about lr wd (updates an epoch)", plateauKept)
	for i, runs := range all {
		level, product := mean(runs, func(e *ended) float64 { return fifth(e.dist, 4) }), s.Job.Local.SGD.LR*plateauDecays[i]*updates
		o.Measured += fmt.Sprintf("wd %v: %.2g, %.2g of the second fifth", plateauDecays[i], level, mean(runs, retained))
		if product > 0 {
			o.Measured += fmt.Sprintf(", %.2g times the product", level/product)
		}
		if i+1 < len(all) {
			o.Measured += "; "
		}
	}
	drawPlateau(lab, all)
	return o, nil
}

// decidePlateau takes settings with weight decay, in ascending order.
func decidePlateau(all [][]*ended, decays []float64) *claims.Outcome {
	var kept, spearman []float64
	for j := range all[0] {
		least := math.Inf(1)
		var levels []float64
		for _, runs := range all {
			least = min(least, retained(runs[j]))
			levels = append(levels, fifth(runs[j].dist, 4))
		}
		kept, spearman = append(kept, least), append(spearman, claims.Spearman(decays, levels))
	}
	stays, rises := claims.TestTrend(kept, claims.Above, plateauKept), claims.TestTrend(spearman, claims.Above, plateauSpearman)
	stays.Why = "least part of Dist that is kept: " + stays.Why
	rises.Why = "Spearman of plateau and weight decay: " + rises.Why
	return claims.All(stays, rises)
}

// fifth returns the mean of one of five parts of a series, from 0.
func fifth(x []float64, part int) float64 {
	from, to := part*len(x)/5, (part+1)*len(x)/5
	sum := 0.0
	for _, v := range x[from:to] {
		sum += v / float64(to-from)
	}
	return sum
}

// retained returns Dist in the last fifth of a run relative to that in the second.
func retained(e *ended) float64 { return fifth(e.dist, 4) / fifth(e.dist, 1) }
