package entropy

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// The slopes of P4.1 and P4.9, and those of P4.2.
var (
	wideSlopes   = []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}
	narrowSlopes = []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6}
)

// mild is the largest slope that P4.1 lets be the best.
const mild = 0.2

// leastCorrelation bounds |Spearman| of trends over the slopes, leastTracking that of P4.9.
const (
	leastCorrelation = 0.8
	leastTracking    = 0.7
)

// sizes trains a claim's network at every slope; P4.1 and P4.9 look at the same runs.
func sizes(ctx context.Context, lab *claims.Lab, id string, slopes []float64, seeds int) ([][]*trial, error) {
	return claims.Once(lab, "entropy sizes "+id, func() ([][]*trial, error) {
		var arms [][]string
		for _, a := range slopes {
			arms = append(arms, []string{leaky(a)})
		}
		return grid(ctx, lab, id, arms, claims.Seeds(seeds))
	})
}

func narrowSeeds(lab *claims.Lab) int { return claims.Pick(lab, 10, 20, 20) }

func wideSeeds(lab *claims.Lab) int { return claims.Pick(lab, 5, 12, 20) }

// wide is P4.1: in the spec's network, and at more than a quick look in one of 256 units a layer.
func wide(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	trials, err := sizes(ctx, lab, "P4.1", wideSlopes, wideSeeds(lab))
	if err != nil {
		return nil, err
	}
	accuracy := tabulate(wideSlopes, trials, func(t *trial) float64 { return t.Accuracy })
	o := judgeWide(accuracy)
	o.Setup = fmt.Sprintf("the spec's network (three layers of 32) at %d slopes, %d paired seeds, accuracy over the last fifth", len(wideSlopes), o.Seeds)
	o.Predicted = "the best slope is at most 0.2, and beyond it accuracy falls with the slope (Spearman <= -0.8)"
	o.Measured = "accuracy " + bySlope(accuracy, "%.3f")
	drawAccuracy(lab, placeWide, "32 units a layer", accuracy)
	writeDown(lab, "entropy-accuracy-wide", accuracy)
	if lab.Size == claims.Quick || lab.Sets(hiddenPath) {
		return o, nil
	}
	if o, err = wider(ctx, lab, o); err != nil || lab.Size < claims.Full {
		return o, err
	}
	return o, shapes(ctx, lab, o)
}

// judgeWide holds where, in pairs, the best of the mild slopes beats the best of the others, and the mean accuracy falls
// from there on. Both maxima are over the means, of which there are fewer on the mild side: the choice favours the other.
func judgeWide(t table) *claims.Outcome {
	from := slices.Index(t.slopes, mild)
	means := t.means()
	gain := t.perSeed(func(acc []float64) float64 { return acc[argmax(means[:from+1])] - acc[from+1+argmax(means[from+1:])] })
	best := claims.TestTrend(gain, claims.Above, 0)
	fall := claims.TestTrend(t.from(from).correlations(), claims.Below, -leastCorrelation)
	fall.Why = fmt.Sprintf("Spearman of slope and mean accuracy from %v on, %.2f: %s", mild, claims.Spearman(t.slopes[from:], means[from:]), fall.Why)
	o := claims.All(best, fall)
	o.Seeds = len(gain)
	return o
}

// narrow is P4.2.
func narrow(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	trials, err := sizes(ctx, lab, "P4.2", narrowSlopes, narrowSeeds(lab))
	if err != nil {
		return nil, err
	}
	accuracy := tabulate(narrowSlopes, trials, func(t *trial) float64 { return t.Accuracy })
	o := judgeNarrow(accuracy)
	o.Setup = fmt.Sprintf("the spec's network (three layers of 8) at %d slopes, %d paired seeds; each half chooses the slope that the other judges", len(narrowSlopes), narrowSeeds(lab))
	o.Predicted = "the best slope is above 0, and better than 0"
	o.Measured = "accuracy " + bySlope(accuracy, "%.3f")
	drawAccuracy(lab, placeNarrow, "8 units a layer", accuracy)
	writeDown(lab, "entropy-accuracy-narrow", accuracy)
	return o, nil
}

// judgeNarrow chooses the best slope above 0 on one half of the seeds and compares it with 0 on the other, and then the other way
// round: every seed judges, and none a slope that it has chosen.
func judgeNarrow(t table) *claims.Outcome {
	n := len(t.values[0])
	gain, chosen := make([]float64, n), make([]string, 2)
	for side, judges := range [][2]int{{n / 2, n}, {0, n / 2}} {
		others := table{slopes: t.slopes}
		for _, row := range t.values {
			others.values = append(others.values, slices.Delete(slices.Clone(row), judges[0], judges[1]))
		}
		best := 1 + argmax(others.means()[1:])
		chosen[side] = fmt.Sprint(t.slopes[best])
		for k := judges[0]; k < judges[1]; k++ {
			gain[k] = t.values[best][k] - t.values[0][k]
		}
	}
	o := claims.TestTrend(gain, claims.Above, 0)
	o.Why = fmt.Sprintf("slopes %s, each chosen by one half of the seeds and judged by the other, against 0: %s", strings.Join(chosen, " and "), o.Why)
	return o
}

// tracking is P4.9.
func tracking(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	trials, err := sizes(ctx, lab, "P4.1", wideSlopes, wideSeeds(lab))
	if err != nil {
		return nil, err
	}
	n := slices.Index(wideSlopes, 0.5) + 1
	lost := tabulate(wideSlopes[:n], trials[:n], (*trial).lost)
	loss := tabulate(wideSlopes[:n], trials[:n], func(t *trial) float64 { return t.Loss })
	o, correlation := judgeTracking(lost, loss)
	o.Setup = fmt.Sprintf("the runs of P4.1 at slopes up to 0.5, %d paired seeds; the interval is a jackknife over seeds", o.Seeds)
	o.Predicted = "|Spearman| of the relative loss of entropy and the validation loss is at least 0.7"
	o.Measured = fmt.Sprintf("Spearman %+.2f over %d runs; entropy lost %s", correlation, n*o.Seeds, bySlope(lost, "%.3f"))
	drawTracking(lab, lost, loss)
	return o, nil
}

// judgeTracking judges the size of the rank correlation over all runs, with an interval from leaving out one seed at a time.
func judgeTracking(x, y table) (*claims.Outcome, float64) {
	sizes := claims.Jackknife(len(x.values[0]), func(without int) float64 { return math.Abs(pooled(x, y, without)) })
	return claims.TestTrend(sizes, claims.Above, leastTracking), pooled(x, y, -1)
}

// pooled returns the rank correlation over all slopes and seeds but one; -1 leaves out none.
func pooled(x, y table, without int) float64 {
	var a, b []float64
	for i := range x.values {
		for k := range x.values[i] {
			if k != without {
				a, b = append(a, x.values[i][k]), append(b, y.values[i][k])
			}
		}
	}
	return claims.Spearman(a, b)
}

func argmax(x []float64) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}
