package localsgd

import "slices"

// MultiKrum is Blanchard et al. 2017, section 4: the mean of the M updates with the lowest scores of Krum, all of one
// weight. M 0 is n - F - 2 of n updates, as many as are still proven to resist F of any kind (Damaskinos et al. 2019).
// M 1 is Krum.
type MultiKrum struct{ F, M int }

// Name returns "multi_krum".
func (MultiKrum) Name() string { return "multi_krum" }

// TakesMean is false.
func (MultiKrum) TakesMean() bool { return false }

// State returns nil.
func (MultiKrum) State() []StateBlock { return nil }

// Step does nothing: the next model is what Combine wrote.
func (MultiKrum) Step(*ServerStep) {}

// Least is 2F + 3, or M if that is more.
func (k MultiKrum) Least() int { return max(2*k.F+3, k.M) }

// Combine implements Combiner.
func (k MultiKrum) Combine(c *Combination) error {
	chosen, err := c.rankByKrum(k.F)
	if err != nil {
		return err
	}
	m := k.M
	if m == 0 {
		m = len(chosen) - k.F - 2
	}
	chosen = chosen[:m]
	slices.Sort(chosen)
	return c.weightedMean(chosen, slices.Repeat([]float64{1 / float64(m)}, m))
}
