package averaging

import "math"

// assign returns the permutation p that makes sum_i gain[i][p[i]] largest, for a square matrix of finite numbers: the Hungarian
// algorithm with shortest augmenting paths, in time cubic in its side.
func assign(gain [][]float64) []int {
	n := len(gain)
	h := hungarian{
		gain: gain, row: make([]float64, n+1), column: make([]float64, n+1), owner: make([]int, n+1),
	}
	for i := 1; i <= n; i++ {
		h.augment(i)
	}
	p := make([]int, n)
	for j := 1; j <= n; j++ {
		p[h.owner[j]-1] = j - 1
	}
	return p
}

// hungarian counts rows and columns from 1; row 0 and column 0 are the root of a path.
type hungarian struct {
	gain        [][]float64
	row, column []float64 // potentials
	owner       []int     // of each column, 0: nobody
}

// augment gives row i a column, moving others where that pays.
func (h *hungarian) augment(i int) {
	n := len(h.gain)
	least, from, done := make([]float64, n+1), make([]int, n+1), make([]bool, n+1)
	for j := range least {
		least[j] = math.Inf(1)
	}
	h.owner[0] = i
	at := 0
	for h.owner[at] != 0 {
		done[at] = true
		next, delta := h.relax(at, least, from, done)
		for j := range least {
			if done[j] {
				h.row[h.owner[j]] += delta
				h.column[j] -= delta
			} else {
				least[j] -= delta
			}
		}
		at = next
	}
	for at != 0 {
		h.owner[at] = h.owner[from[at]]
		at = from[at]
	}
}

// relax updates the distances by the row that owns column at, and returns the nearest open column.
func (h *hungarian) relax(at int, least []float64, from []int, done []bool) (next int, delta float64) {
	delta = math.Inf(1)
	i := h.owner[at]
	for j := 1; j < len(least); j++ {
		if done[j] {
			continue
		}
		if cost := -h.gain[i-1][j-1] - h.row[i] - h.column[j]; cost < least[j] {
			least[j], from[j] = cost, at
		}
		if least[j] < delta {
			next, delta = j, least[j]
		}
	}
	return next, delta
}
