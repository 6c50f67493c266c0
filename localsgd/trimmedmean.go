package localsgd

import (
	"math"
	"slices"
)

// TrimmedMean is Yin et al. 2018, Definition 2: of each parameter it drops the int(Beta n) smallest and as many largest of
// n updates' values and takes the mean of the rest, all of one weight whatever the weighting.
type TrimmedMean struct{ Beta float64 } // in [0, 0.5)

// Name returns "trimmed_mean".
func (TrimmedMean) Name() string { return "trimmed_mean" }

// TakesMean is false.
func (TrimmedMean) TakesMean() bool { return false }

// State returns nil.
func (TrimmedMean) State() []StateBlock { return nil }

// Step does nothing: the next model is what Combine wrote.
func (TrimmedMean) Step(*ServerStep) {}

// Least is 1.
func (TrimmedMean) Least() int { return 1 }

// Combine implements Combiner.
func (m TrimmedMean) Combine(c *Combination) error {
	return c.middleMean(m.drops(len(c.Updates.Shares())))
}

// drops is int(Beta n), where 0.29 of 100 is 29 although the float64 next to 0.29 is less.
func (m TrimmedMean) drops(n int) int {
	return min(int(math.Floor(float64(m.Beta*float64(n))+1e-9)), (n-1)/2)
}

// middleMean puts the mean of each parameter's values without the drop smallest and drop largest in the mean's place:
// summed in float64 from the smallest on, rounded once.
func (c *Combination) middleMean(drop int) error {
	return c.eachChunk(c.all(), func(part chunk) {
		const width = 256 // elements that are sorted together: few enough for the cache
		size := len(part.rows[0])
		inParallel((size+width-1)/width, func(b int) {
			from, to := b*width, min((b+1)*width, size)
			ordered := make([][]int32, len(part.rows))
			keys := make([]int32, len(part.rows)*(to-from))
			for i, row := range part.rows {
				ordered[i], keys = keys[:to-from], keys[to-from:]
				for j, x := range row[from:to] {
					ordered[i][j] = orderKey(math.Float32bits(x))
				}
			}
			sortColumns(ordered)
			rowMean(c.Next[part.offset+from:part.offset+to], ordered[drop:len(ordered)-drop])
		})
	})
}

// orderKey turns the bits of floats into integers of the same order, and back.
func orderKey[T uint32 | int32](bits T) int32 {
	key := int32(bits)
	return key ^ key>>31&math.MaxInt32
}

// sortColumns sorts each column of the rows ascending, all by the same comparisons: Batcher's merge exchange (Knuth, The
// Art of Computer Programming 3, 5.2.2, Algorithm M).
func sortColumns(rows [][]int32) {
	n := len(rows)
	top := 1
	for 2*top < n {
		top *= 2
	}
	for p := top; p > 0; p /= 2 {
		for q, r, d := top, 0, p; ; d, q, r = q-p, q/2, p {
			exchangeAll(rows, p, r, d)
			if q == p {
				break
			}
		}
	}
}

// exchangeAll exchanges each row whose number i has i&p = r with the one at distance d.
func exchangeAll(rows [][]int32, p, r, d int) {
	for i := range max(0, len(rows)-d) {
		if i&p == r {
			exchange(rows[i], rows[i+d])
		}
	}
}

// exchange puts the smaller ones of each pair into low.
func exchange(low, high []int32) {
	high = high[:len(low)]
	for j, x := range low {
		y := high[j]
		low[j], high[j] = min(x, y), max(x, y)
	}
}

// rowMean writes the mean of the rows to dst.
func rowMean(dst []float32, rows [][]int32) {
	sum := slices.Repeat([]float64{0}, len(dst))
	for _, row := range rows {
		for j, key := range row {
			sum[j] += float64(math.Float32frombits(uint32(orderKey(key))))
		}
	}
	for j, x := range sum {
		dst[j] = float32(x / float64(len(rows)))
	}
}
