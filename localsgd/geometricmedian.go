package localsgd

import (
	"math"
	"slices"
)

// GeometricMedian is RFA (Pillutla et al. 2019): the point with the least weighted sum of distances to the updates, with
// the plan's weights, by the smoothed Weiszfeld algorithm from the mean on:
//
//	z = sum_i b_i w_i / sum_i b_i,  b_i = a_i / max(Eps, |z - w_i|).
//
// It ends after Iterations, or when the sum has changed by less than Tolerance of itself. z is never stored but as what it
// is made of, so that each iteration is one pass through the updates.
type GeometricMedian struct {
	Iterations     int
	Eps, Tolerance float64
}

// Name returns "geometric_median".
func (GeometricMedian) Name() string { return "geometric_median" }

// TakesMean is false.
func (GeometricMedian) TakesMean() bool { return false }

// State returns nil.
func (GeometricMedian) State() []StateBlock { return nil }

// Step does nothing: the next model is what Combine wrote.
func (GeometricMedian) Step(*ServerStep) {}

// Least is 1.
func (GeometricMedian) Least() int { return 1 }

// Combine implements Combiner.
func (g GeometricMedian) Combine(c *Combination) error {
	var weights []float64
	for _, s := range c.Updates.Shares() {
		weights = append(weights, s.Weight.Float())
	}
	normalise(weights)
	parts, before := slices.Clone(weights), math.Inf(1)
	for range g.Iterations {
		distances, err := c.distancesTo(parts)
		if err != nil {
			return err
		}
		sum := 0.0
		for i, d := range distances {
			sum += float64(weights[i] * d)
		}
		if math.Abs(before-sum) < g.Tolerance*sum {
			break
		}
		before = sum
		for i, d := range distances {
			parts[i] = weights[i] / max(g.Eps, d)
		}
		normalise(parts)
	}
	return c.weightedMean(c.all(), parts)
}

// normalise divides by the sum.
func normalise(x []float64) {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	for i := range x {
		x[i] /= sum
	}
}

// distancesTo returns each update's distance to the weighted mean with the given parts.
func (c *Combination) distancesTo(parts []float64) ([]float64, error) {
	distances := make([]float64, len(parts))
	var mean []float64
	err := c.eachChunk(c.all(), func(part chunk) {
		mean = slices.Grow(mean[:0], len(part.rows[0]))[:len(part.rows[0])]
		part.weightedMean(mean, parts)
		inParallel(len(parts), func(i int) {
			var wide [combineBlock]float64
			part.blocks(func(from, to int) {
				convert(wide[:to-from], part.rows[i][from:to])
				distances[i] += squareDistance(mean[from:to], wide[:to-from])
			})
		})
	})
	for i, d := range distances {
		distances[i] = math.Sqrt(d)
	}
	return distances, err
}
