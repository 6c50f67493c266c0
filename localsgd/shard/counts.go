package shard

import (
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/detmath"
)

// Counts returns the number of examples of each class in each shard: [shard][class]. Labels are indexed by example.
func Counts(shards Shards, labels []int32, classes int) [][]int {
	room := make([]int, len(shards)*classes)
	counts := make([][]int, len(shards))
	for k, examples := range shards {
		counts[k] = room[k*classes:][:classes:classes]
		for _, i := range examples {
			counts[k][labels[i]]++
		}
	}
	return counts
}

// Heterogeneity says how unlike the shards are. Means are over shards, each counting once.
type Heterogeneity struct {
	MinSize, MaxSize int
	MeanSize, StdDev float64 // of the sizes; population standard deviation
	MedianSize       float64 // the mean of the two in the middle, if their number is even
	Variation        float64 // coefficient of variation of the sizes: StdDev / MeanSize
	MeanClasses      float64 // classes with at least one example
	// MeanEntropy is the mean entropy of a shard's class frequencies in nats; PooledEntropy that of all shards together.
	MeanEntropy, PooledEntropy float64
	// MeanTotalVariation is the mean of 1/2 sum_c |share of c in the shard - share of c in all shards|: 0 where every
	// shard is a small copy of the whole, up to 1 - 1/classes where each holds one of equally frequent classes.
	MeanTotalVariation float64
}

// Measure returns the heterogeneity of a table of counts as Counts makes it. Shards without an example count with entropy
// and total variation 0; an empty table gives zeros.
func Measure(counts [][]int) Heterogeneity {
	if len(counts) == 0 {
		return Heterogeneity{}
	}
	pooled := make([]int, len(counts[0]))
	for _, row := range counts {
		for c, n := range row {
			pooled[c] += n
		}
	}
	h := Heterogeneity{MinSize: math.MaxInt, PooledEntropy: entropy(pooled)}
	k := float64(len(counts))
	h.MeanSize = float64(total(pooled)) / k
	var sizes []int
	for _, row := range counts {
		n := total(row)
		sizes = append(sizes, n)
		h.MinSize, h.MaxSize = min(h.MinSize, n), max(h.MaxSize, n)
		off := float64(n) - h.MeanSize
		h.StdDev += float64(off * off)
		h.MeanClasses += float64(present(row))
		h.MeanEntropy += entropy(row)
		h.MeanTotalVariation += totalVariation(row, pooled)
	}
	h.StdDev = math.Sqrt(h.StdDev / k)
	h.MedianSize = median(sizes)
	if h.MeanSize > 0 {
		h.Variation = h.StdDev / h.MeanSize
	}
	h.MeanClasses /= k
	h.MeanEntropy /= k
	h.MeanTotalVariation /= k
	return h
}

// median sorts sizes.
func median(sizes []int) float64 {
	slices.Sort(sizes)
	n := len(sizes)
	return float64(sizes[n/2]+sizes[(n-1)/2]) / 2
}

func total(counts []int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}

func present(counts []int) int {
	classes := 0
	for _, n := range counts {
		if n > 0 {
			classes++
		}
	}
	return classes
}

func entropy(counts []int) float64 {
	h, all := 0.0, float64(total(counts))
	for _, n := range counts {
		if n > 0 {
			share := float64(n) / all
			h -= float64(share * detmath.Log(share))
		}
	}
	return h
}

func totalVariation(row, pooled []int) float64 {
	n, all := float64(total(row)), float64(total(pooled))
	if n == 0 {
		return 0
	}
	sum := 0.0
	for c := range row {
		sum += math.Abs(float64(row[c])/n - float64(pooled[c])/all)
	}
	return sum / 2
}
