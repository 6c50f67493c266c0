package claims

import "math"

// Worst is the largest of what an exact claim measured. NaN stays. The zero value is that of nothing measured, of which no claim holds.
type Worst struct {
	n     int
	value float64
}

// Add takes a measurement.
func (w *Worst) Add(v float64) {
	if w.n == 0 || math.IsNaN(v) || v > w.value {
		w.value = v
	}
	w.n++
}

// Merge takes all measurements of another.
func (w *Worst) Merge(other Worst) {
	if other.n > 0 {
		w.Add(other.value)
		w.n += other.n - 1
	}
}

// N returns how many measurements there were.
func (w Worst) N() int { return w.n }

// Value returns the largest, NaN of none.
func (w Worst) Value() float64 {
	if w.n == 0 {
		return math.NaN()
	}
	return w.value
}

// Test is TestBound, but without measurements there is nothing to test.
func (w Worst) Test(bound float64) *Outcome {
	if w.n == 0 {
		return Untested("nothing was there to be measured against the bound")
	}
	return TestBound(w.value, bound)
}

// Untested is the outcome of a part of a claim that had nothing to compare. Beside parts that had it decides nothing (All).
func Untested(why string) *Outcome { return &Outcome{Verdict: NotTestable, Why: why} }
