package claims

import (
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// Mean returns the mean of x, NaN where there is none.
func Mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// Distance returns the Euclidean distance of two blocks of one length, in float64.
func Distance[F kernel.Float](a, b []F) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}
