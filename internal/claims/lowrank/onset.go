package lowrank

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
)

// What P1.13 varies and asks for.
const (
	onsetWithin = 0.3
	onsetStep   = 0.05 // of Lambda between two measurements
)

// onsetSettings are batch, learning rate and weight decay.
var onsetSettings = [][3]float64{{16, 0.1, 0.005}, {16, 0.05, 0.01}, {64, 0.1, 0.01}, {8, 0.03, 0.01}}

// onsetEps are the thresholds, the smallest last: it takes longest.
func onsetEps(lab *claims.Lab) []float64 {
	return claims.Pick(lab, []float64{0.02, 0.01}, []float64{0.02, 0.01}, []float64{0.02, 0.01, 0.003})
}

// halving is how a run lost half of an eps-rank.
type halving struct {
	setting             [3]float64
	eps                 float64
	measured, predicted float64 // Lambda; NaN where the rank did not halve
	lambda, rank        []float64
}

// onset is P1.13: half of the initial eps-rank is gone at Lambda_c, whatever B, lr and wd.
func onset(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	seeds, eps := lab.Seeds(), onsetEps(lab)
	found := make([][]halving, len(onsetSettings)*len(seeds))
	err := lab.Each(ctx, len(found), func(ctx context.Context, n int) error {
		var err error
		found[n], err = halvings(ctx, lab, onsetSettings[n%len(onsetSettings)], seeds[n/len(onsetSettings)])
		return err
	})
	if err != nil {
		return nil, err
	}
	var off []float64
	for j := range seeds {
		off = append(off, worstHalving(slices.Concat(found[j*len(onsetSettings):][:len(onsetSettings)]...), 1))
	}
	o := claims.TestTrend(off, claims.Below, onsetWithin)
	o.Setup = fmt.Sprintf("the spec's network, last hidden weight, (B, lr, wd) in %v, eps %v", onsetSettings, eps)
	o.Predicted = "Lambda at half of the initial eps-rank over Lambda_c = 1"
	for i := range onsetSettings {
		for e := range eps {
			h := found[i][e]
			o.Measured += fmt.Sprintf("%v @%g %.2f/%.2f; ", h.setting, h.eps, h.measured, h.predicted)
		}
	}
	o.Measured = "first seed: " + o.Measured[:len(o.Measured)-2]
	o.Why = "the worst deviation over all settings and eps decides: " + o.Why
	drawOnset(lab, found[:len(onsetSettings)])
	return o, nil
}

// halvings makes a run until the last eps-rank has halved.
func halvings(ctx context.Context, lab *claims.Lab, at [3]float64, seed uint64) ([]halving, error) {
	steps := max(1, int(math.Round(onsetStep/(at[1]*at[2]))))
	s, err := lab.Setting("P1.13", fmt.Sprint("seed=", seed), fmt.Sprint("local.batch=", at[0]), fmt.Sprint("local.optimizer.sgd.lr=", at[1]),
		fmt.Sprint("local.optimizer.sgd.weight_decay=", at[2]), fmt.Sprint("local.steps=", steps))
	if err != nil {
		return nil, err
	}
	start, err := claims.Spectra(s.Job.Net, s.Job.Start())
	if err != nil {
		return nil, err
	}
	initial := start[len(start)-1]
	var out []halving
	for _, eps := range onsetEps(lab) {
		out = append(out, halving{setting: at, eps: eps, measured: math.NaN(), predicted: math.NaN()})
	}
	perRound := at[1] * at[2] * float64(steps)
	_, err = s.Runner().Run(ctx, s.Spec.Rounds, func(f localsgd.RoundFacts, model []float32) error {
		now, err := claims.Spectra(s.Job.Net, model)
		if err != nil {
			return err
		}
		left := 0
		for i := range out {
			if out[i].look(initial, now[len(now)-1], perRound*float64(f.Plan.Round)); math.IsNaN(out[i].measured) {
				left++
			}
		}
		if left == 0 {
			return localsgd.ErrStop
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("P1.13 with B, lr, wd = %v: %w", at, err)
	}
	return out, nil
}

// look takes the spectrum at a Lambda.
func (h *halving) look(initial, now []float64, lambda float64) {
	rank := analysis.EpsRank(now, h.eps)
	h.lambda, h.rank = append(h.lambda, lambda), append(h.rank, float64(rank))
	if !math.IsNaN(h.measured) || 2*rank > analysis.EpsRank(initial, h.eps) {
		return
	}
	h.measured = lambda
	if at, _ := theory.Onset(initial, analysis.Frobenius(now), h.eps); at != nil {
		h.predicted = *at
	}
}

// worstHalving returns the largest deviation from the prediction times a factor, which is 1 in the claim; NaN if a rank did not
// halve.
func worstHalving(all []halving, factor float64) float64 {
	var worst claims.Worst
	for _, h := range all {
		worst.Add(math.Abs(h.measured/(factor*h.predicted) - 1))
	}
	return worst.Value()
}
