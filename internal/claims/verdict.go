package claims

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Side is where an effect has to lie for its claim to hold.
type Side int

// The sides of a threshold.
const (
	Below Side = iota
	Above
)

// TestBound is the outcome of an exact claim: the worst of the violations measured, a number that must not exceed bound. NaN
// fails.
func TestBound(worst, bound float64) *Outcome {
	o := &Outcome{Effect: &worst, Threshold: &bound, Seeds: 1, Verdict: Holds,
		Why: fmt.Sprintf("the worst measurement, %.3g, is within the bound %.3g", worst, bound)}
	if !(worst <= bound) {
		o.Verdict = Fails
		o.Why = fmt.Sprintf("the worst measurement, %.3g, breaks the bound %.3g", worst, bound)
		if math.IsNaN(worst) || math.IsInf(worst, 0) {
			o.Effect = nil
		}
	}
	return o
}

// TestTrend is the outcome of a trend: effects has one number for each paired seed, and their mean's 95% t-interval has to
// lie wholly on the given side of the threshold. Fewer than two effects, or one that is not finite, decide nothing.
func TestTrend(effects []float64, side Side, threshold float64) *Outcome {
	o := &Outcome{Threshold: &threshold, Seeds: len(effects), Verdict: Inconclusive}
	mean, ci, ok := Interval(effects)
	if !ok {
		o.Why = fmt.Sprintf("%d usable paired seeds have no interval", len(effects))
		return o
	}
	o.Effect, o.CI95 = &mean, &ci
	words := [...]string{"below", "above"}
	above, below := ci[0] > threshold, ci[1] < threshold
	switch {
	case above && side == Above, below && side == Below:
		o.Verdict = Holds
		o.Why = fmt.Sprintf("the interval of the effect lies %s %.3g", words[side], threshold)
	case above, below:
		o.Verdict = Fails
		o.Why = fmt.Sprintf("the interval of the effect lies %s %.3g, on the other side", words[1-side], threshold)
	default:
		o.Why = fmt.Sprintf("the interval of the effect contains the threshold %.3g", threshold)
	}
	return o
}

// TestWithin is the outcome of a trend that predicts a number: the interval of |measured/predicted - 1| over the seeds has to
// lie below the tolerance.
func TestWithin(ratios []float64, tolerance float64) *Outcome {
	off := make([]float64, len(ratios))
	for i, r := range ratios {
		off[i] = math.Abs(r - 1)
	}
	return TestTrend(off, Below, tolerance)
}

// All is the outcome of a claim with several parts: the worst of their verdicts decides (fails, then inconclusive, then
// holds), and the numbers are those of the part that decided. Parts that could not be tested decide nothing beside others, and the
// reason names them; of none but such parts nothing holds.
func All(parts ...*Outcome) *Outcome {
	var out *Outcome
	untested := ""
	for _, o := range parts {
		rank := slices.Index(severity, o.Verdict)
		if rank < 0 {
			untested += "; not compared: " + o.Why
		} else if out == nil || rank < slices.Index(severity, out.Verdict) {
			out = o
		}
	}
	switch {
	case out != nil:
		whole := *out
		whole.Why += untested
		return &whole
	case len(parts) > 0:
		whole := *parts[0]
		whole.Why = strings.TrimPrefix(untested, "; not compared: ")
		return &whole
	}
	return &Outcome{Verdict: Inconclusive, Why: "nothing was compared"}
}

// severity has the verdicts that decide, the worst first.
var severity = []Verdict{Fails, Inconclusive, Holds}

// Interval returns the mean of x and its 95% t-interval; ok is false for fewer than two numbers or one that is not finite.
func Interval(x []float64) (mean float64, ci [2]float64, ok bool) {
	if len(x) < 2 || slices.ContainsFunc(x, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		return 0, ci, false
	}
	mean, deviation := stat.MeanStdDev(x, nil)
	n := float64(len(x))
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.975) * deviation / math.Sqrt(n)
	return mean, [2]float64{mean - half, mean + half}, true
}

// Jackknife returns the pseudo-values of a statistic over n seeds, one for each: their mean and interval are those of the statistic
// where it is one number over all seeds together. statistic leaves out a seed, none for -1.
func Jackknife(n int, statistic func(without int) float64) []float64 {
	all := statistic(-1)
	pseudo := make([]float64, n)
	for k := range pseudo {
		pseudo[k] = all*float64(n) - statistic(k)*float64(n-1)
	}
	return pseudo
}

// Spearman returns the rank correlation of x and y, ties with their mean rank; NaN if one of them is constant or has a NaN, which
// has no rank, or there are fewer than two pairs.
func Spearman(x, y []float64) float64 {
	if len(x) != len(y) {
		panic(fmt.Sprintf("claims: %d and %d numbers have no rank correlation", len(x), len(y)))
	}
	if len(x) < 2 || slices.ContainsFunc(x, math.IsNaN) || slices.ContainsFunc(y, math.IsNaN) {
		return math.NaN()
	}
	return stat.Correlation(ranks(x), ranks(y), nil)
}

func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case x[a] < x[b]:
			return -1
		case x[a] > x[b]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			out[k] = float64(i+j-1)/2 + 1
		}
		i = j
	}
	return out
}

// Slope returns the least-squares slope of y over x.
func Slope(x, y []float64) float64 {
	_, slope := stat.LinearRegression(x, y, nil, false)
	return slope
}
