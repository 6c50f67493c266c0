package localsgd

import (
	"cmp"
	"slices"
)

// Krum is Blanchard et al. 2017: the next model is the update, as it came, with the least sum of squared distances to its
// n - F - 2 nearest others among n updates, of which F may be anything. Weights do not count; of equal sums the lowest
// shard's wins. It needs n >= 2F + 3, and 8 n^2 bytes for the distances.
type Krum struct{ F int }

// Name returns "krum".
func (Krum) Name() string { return "krum" }

// TakesMean is false.
func (Krum) TakesMean() bool { return false }

// State returns nil.
func (Krum) State() []StateBlock { return nil }

// Step does nothing: the next model is what Combine wrote.
func (Krum) Step(*ServerStep) {}

// Least is 2F + 3.
func (k Krum) Least() int { return 2*k.F + 3 }

// Combine implements Combiner.
func (k Krum) Combine(c *Combination) error {
	ranked, err := c.rankByKrum(k.F)
	if err != nil {
		return err
	}
	return c.read(chunk{0, [][]float32{c.Next}}, ranked[:1])
}

// rankByKrum returns the updates by Krum's score, the best first.
func (c *Combination) rankByKrum(f int) ([]int, error) {
	squares, err := c.squareDistances()
	if err != nil {
		return nil, err
	}
	scores := make([]float64, len(squares))
	for i, row := range squares {
		others := slices.Delete(row, i, i+1)
		slices.Sort(others)
		for _, d := range others[:len(others)-f-1] {
			scores[i] += d
		}
	}
	ranked := c.all()
	slices.SortStableFunc(ranked, func(i, j int) int { return cmp.Compare(scores[i], scores[j]) })
	return ranked, nil
}

// squareDistances returns the squares of the distances between all updates' parameters, in float64.
func (c *Combination) squareDistances() ([][]float64, error) {
	n := len(c.Updates.Shares())
	squares, wide := make([][]float64, n), make([][]float64, n)
	for i := range squares {
		squares[i], wide[i] = make([]float64, n), make([]float64, combineBlock)
	}
	err := c.eachChunk(c.all(), func(part chunk) {
		part.blocks(func(from, to int) {
			for i, row := range part.rows {
				convert(wide[i][:to-from], row[from:to])
			}
			inParallel(n, func(i int) {
				for j := range i {
					squares[i][j] += squareDistance(wide[i][:to-from], wide[j])
				}
			})
		})
	})
	for i := range squares {
		for j := range i {
			squares[j][i] = squares[i][j]
		}
	}
	return squares, err
}
