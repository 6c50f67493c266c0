package noise

import (
	"fmt"
	"math"
)

// Fluctuation collects the singular values of one weight over the last steps of a run (P3 3.3 d). It keeps two numbers for each
// value, whatever the number of steps.
type Fluctuation struct {
	mean, square []float64 // of each value so far: mean, and sum of squared differences from it
	n            int
}

// Add takes the singular values at one step, in descending order; their number must not change.
func (f *Fluctuation) Add(s []float64) {
	if f.n == 0 {
		f.mean, f.square = make([]float64, len(s)), make([]float64, len(s))
	}
	if len(s) != len(f.mean) {
		panic(fmt.Sprintf("noise: %d singular values after %d", len(s), len(f.mean)))
	}
	f.n++
	for i, v := range s {
		d := v - f.mean[i]
		f.mean[i] += d / float64(f.n)
		f.square[i] += float64(d * (v - f.mean[i]))
	}
}

// Deviations returns the standard deviation of each singular value over the steps (dividing by their number); nil for fewer
// than two.
func (f *Fluctuation) Deviations() []float64 {
	if f.n < 2 {
		return nil
	}
	deviations := make([]float64, len(f.mean))
	for i, q := range f.square {
		deviations[i] = math.Sqrt(q / float64(f.n))
	}
	return deviations
}

// Relative returns sqrt(sum of variances) / sqrt(sum of squared means): how much the spectrum as a whole fluctuates; nil for fewer
// than two steps, or if all means are 0.
func (f *Fluctuation) Relative() *float64 {
	if f.n < 2 {
		return nil
	}
	variance, square := 0.0, 0.0
	for i, m := range f.mean {
		variance += f.square[i] / float64(f.n)
		square += float64(m * m)
	}
	return quotient(variance, square)
}
