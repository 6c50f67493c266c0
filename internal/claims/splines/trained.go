package splines

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/internal/claims"
)

const (
	// balanced is the median imbalance below which weights count as balanced (P5.2, PAPERS.md 5.5).
	balanced = 0.01
	// nearOptimum is how close to the exact optimum training has to come (P5.3, P5.5).
	nearOptimum = 0.01
	// knotsApart and knotShare say which knots count as one and which are too small to count (P5.5): within 2% of the range,
	// and up to 1% of the largest jump.
	knotsApart, knotShare = 0.02, 0.01
	// nothing is the share of the targets' mean square below which an optimum counts as 0.
	nothing = 1e-6
)

func measureBalance(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return balance(ctx, lab)
}

// balance tests the median imbalance at the end of training by weight decay.
func balance(ctx context.Context, lab *claims.Lab, extra ...string) (*claims.Outcome, error) {
	f, s, err := trained(ctx, lab, "P5.2", extra)
	if err != nil {
		return nil, err
	}
	var parts []*claims.Outcome
	text := ""
	for i, r := range f.recipes {
		if !r.decay {
			continue
		}
		var ends []float64
		for _, fit := range f.of(i) {
			ends = append(ends, fit.balance[len(fit.balance)-1])
		}
		parts = append(parts, claims.TestTrend(ends, claims.Below, balanced))
		text += fmt.Sprintf("; %s: %.2g", r, mean(ends))
	}
	o := claims.All(parts...)
	o.Setup = f.setup(lab, s)
	o.Predicted = fmt.Sprintf("median imbalance below %g", balanced)
	o.Measured = text[2:]
	drawBalance(lab, f)
	return o, nil
}

// trained returns U1 by the spec of a claim, and its setting.
func trained(ctx context.Context, lab *claims.Lab, id string, extra []string) (*family, *claims.Setting, error) {
	s, err := lab.Setting(id)
	if err != nil {
		return nil, nil, err
	}
	if s.Job.Local.SGD.WeightDecay <= 0 {
		return nil, nil, fmt.Errorf("%s needs a weight decay above 0: the optimum exists for a penalty alone", id)
	}
	f, err := train(ctx, lab, id, extra...)
	return f, s, err
}

func measureObjective(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return objective(ctx, lab)
}

// objective compares what training reached with the exact optimum.
func objective(ctx context.Context, lab *claims.Lab, extra ...string) (*claims.Outcome, error) {
	f, s, err := trained(ctx, lab, "P5.3", extra)
	if err != nil {
		return nil, err
	}
	var parts []*claims.Outcome
	text, reached := "", 0
	for i, r := range f.recipes {
		var ratios, paths []float64
		for _, fit := range f.of(i) {
			if fit.relative() <= 1+nearOptimum {
				reached++
			}
			ratios = append(ratios, fit.relative())
			paths = append(paths, fit.f.PathNorm())
		}
		parts = append(parts, claims.TestWithin(ratios, nearOptimum))
		text += fmt.Sprintf("; %s: %.5f times the optimum's %.5f, path norm %.4f of %.4f", r, mean(ratios), f.of(i)[0].optimum.Objective,
			mean(paths), f.of(i)[0].optimum.PathNorm)
	}
	o := claims.All(parts...)
	o.Setup = f.setup(lab, s)
	o.Predicted = fmt.Sprintf("objective within %g of the exact optimum's", nearOptimum)
	o.Measured = text[2:]
	if o.Verdict != claims.Holds {
		o.Why += fmt.Sprintf("; %d of %d trainings reached the optimum, and the problem is not convex in the weights", reached, len(f.fits))
	}
	drawFits(lab, f)
	return o, nil
}

// relative returns the objective relative to the optimum's. Where that is nothing, as for straight lines with a skip connection, a
// millionth of the targets' mean square takes its place.
func (f *fit) relative() float64 {
	size := 0.0
	for _, y := range f.y {
		size += y * y / float64(len(f.y))
	}
	return 1 + (f.objective-f.optimum.Objective)/math.Max(f.optimum.Objective, nothing*size)
}

func measureKnots(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return knots(ctx, lab)
}

// knots counts the knots of trained networks, and compares their values at the data with the exact optimum's. Without a skip
// connection knots outside of the data do not count: the cheapest network may need them.
func knots(ctx context.Context, lab *claims.Lab, extra ...string) (*claims.Outcome, error) {
	f, s, err := trained(ctx, lab, "P5.5", extra)
	if err != nil {
		return nil, err
	}
	most := len(f.fits[0].x) - 2
	var parts []*claims.Outcome
	text, dearest := "", 0.0
	for i, r := range f.recipes {
		var counts, off, beyond []float64
		for _, fit := range f.of(i) {
			dearest = math.Max(dearest, fit.excess())
			inside, outside := fit.knots()
			if r.skip {
				inside, outside = inside+outside, 0
			}
			counts, beyond = append(counts, float64(inside)), append(beyond, float64(outside))
			off = append(off, 1+distance(fit.values(), fit.optimum.Z))
		}
		parts = append(parts, claims.TestTrend(counts, claims.Below, float64(most)+0.5), claims.TestWithin(off, nearOptimum))
		text += fmt.Sprintf("; %s: %.1f knots", r, mean(counts))
		if !r.skip {
			text += fmt.Sprintf(" inside of the data and %.1f outside", mean(beyond))
		}
		text += fmt.Sprintf(", values off by %.2g", mean(off)-1)
	}
	o := claims.All(parts...)
	o.Setup = f.setup(lab, s)
	o.Predicted = fmt.Sprintf("at most %d knots, fitted values within %g of the optimum's norm", most, nearOptimum)
	o.Measured = text[2:]
	o.Why += "; without a skip connection knots outside of the data do not count: the cheapest function may need them (its width is N+1, not N-2)"
	if o.Verdict != claims.Holds {
		o.Why += fmt.Sprintf("; the theorem promises that one of the optima has so few knots, but where neighbouring slopes change to the same side "+
			"more knots cost the same: no network has a path norm more than %.2g above that of the cheapest one through its values", dearest)
	}
	return o, nil
}

// excess returns by how much, relative to it, the path norm is above that of the cheapest network through the same values.
func (f *fit) excess() float64 {
	points, err := norm.NewPoints(f.x, f.y)
	if err != nil {
		return math.NaN()
	}
	return f.f.PathNorm()/points.Cost(f.values(), f.skip) - 1
}

// knots returns the numbers of knots inside and outside of the data.
func (f *fit) knots() (inside, outside int) {
	first, last := f.x[0], f.x[len(f.x)-1]
	for _, k := range norm.Merge(f.f.Knots(), knotsApart*(last-first), knotShare) {
		if k.At > first && k.At < last {
			inside++
		} else {
			outside++
		}
	}
	return inside, outside
}

// distance returns ||a - b|| / ||b||.
func distance(a, b []float64) float64 {
	off, size := 0.0, 0.0
	for i := range a {
		off += (a[i] - b[i]) * (a[i] - b[i])
		size += b[i] * b[i]
	}
	return math.Sqrt(off / size)
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
