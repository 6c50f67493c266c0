package localsgd

import (
	"math"
	"slices"
)

// NormClipping is the norm bounding of Sun et al. 2019, section 4.2: the mean, with the plan's weights a_i, of differences from
// the start that are shortened to the bound where they are longer,
//
//	next = start + sum_i a_i min(1, Bound / |w_i - start|) (w_i - start) / sum_i a_i.
//
// Bound 0 is the median of the round's norms, of an even number the mean of the two in the middle. Unlike Local.ClipUpdate, which
// is honest shards' own work, it holds for every update.
type NormClipping struct{ Bound float64 }

// Name returns "norm_clipping".
func (NormClipping) Name() string { return "norm_clipping" }

// TakesMean is false.
func (NormClipping) TakesMean() bool { return false }

// State returns nil.
func (NormClipping) State() []StateBlock { return nil }

// Step does nothing: the next model is what Combine wrote.
func (NormClipping) Step(*ServerStep) {}

// Least is 1.
func (NormClipping) Least() int { return 1 }

// Combine implements Combiner.
func (n NormClipping) Combine(c *Combination) error {
	norms, err := c.norms()
	if err != nil {
		return err
	}
	bound := n.Bound
	if bound == 0 {
		bound = medianOf(norms)
	}
	var parts []float64
	for _, s := range c.Updates.Shares() {
		parts = append(parts, s.Weight.Float())
	}
	normalise(parts)
	rest := 0.0
	for i, norm := range norms {
		if norm > bound {
			kept := float64(parts[i] * (bound / norm))
			rest += parts[i] - kept
			parts[i] = kept
		}
	}
	return c.meanWithStart(parts, rest)
}

// medianOf returns the median of some numbers.
func medianOf(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// norms returns each update's distance to the start.
func (c *Combination) norms() ([]float64, error) {
	norms := make([]float64, len(c.Updates.Shares()))
	err := c.eachChunk(c.all(), func(part chunk) {
		inParallel(len(norms), func(i int) {
			var from, to [combineBlock]float64
			part.blocks(func(a, b int) {
				convert(from[:b-a], c.Start[part.offset+a:part.offset+b])
				convert(to[:b-a], part.rows[i][a:b])
				norms[i] += squareDistance(from[:b-a], to[:b-a])
			})
		})
	})
	for i, square := range norms {
		norms[i] = math.Sqrt(square)
	}
	return norms, err
}

// meanWithStart puts the sum of the updates and the start in the mean's place, with weights of sum 1: summed in float64, the
// start last, rounded once.
func (c *Combination) meanWithStart(weights []float64, ofStart float64) error {
	var mean []float64
	return c.eachChunk(c.all(), func(part chunk) {
		mean = slices.Grow(mean[:0], len(part.rows[0]))[:len(part.rows[0])]
		part.weightedMean(mean, weights)
		for j, x := range c.Start[part.offset:][:len(mean)] {
			mean[j] += float64(ofStart * float64(x))
		}
		convert(c.Next[part.offset:][:len(mean)], mean)
	})
}
