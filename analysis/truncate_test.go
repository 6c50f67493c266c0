package analysis

import (
	"errors"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// What is left of a matrix has its first singular values and no others, and what is taken away has the rest: by Eckart and Young
// no matrix of that rank is nearer.
func TestTruncateIsTheBestApproximation(t *testing.T) {
	s := []float64{9, 5, 4, 1, 0.5, 0.25}
	for _, shape := range [][2]int{{6, 6}, {11, 6}, {6, 40}, {6, 700}} {
		rows, cols := shape[0], shape[1]
		m := withSpectrum(3, rows, cols, s)
		for r := 0; r <= 7; r++ {
			low, err := Truncate(m, rows, cols, r)
			if err != nil {
				t.Fatal(err)
			}
			rest := make([]float32, len(m))
			for i, v := range m {
				rest[i] = v - low[i]
			}
			keep := min(r, len(s))
			want := append(append([]float64(nil), s[:keep]...), make([]float64, len(s)-keep)...)
			if d := maxDifference(jacobiValues(low, rows, cols), want); d > 1e-5 {
				t.Errorf("%d x %d, rank %d: values are off by %g", rows, cols, r, d)
			}
			want = append(append([]float64(nil), s[keep:]...), make([]float64, keep)...)
			if d := maxDifference(jacobiValues(rest, rows, cols), want); d > 1e-5 {
				t.Errorf("%d x %d, rank %d: values of what is taken away are off by %g", rows, cols, r, d)
			}
		}
	}
}

// Random matrices of the same rank are farther away, however they are made: best fits of the rows to random directions.
func TestTruncateAgainstRandomDirections(t *testing.T) {
	const rows, cols = 7, 5
	m := make([]float32, rows*cols)
	stream := keyed.New(1, "truncate")
	for i := range m {
		m[i] = float32(stream.Normal())
	}
	low, err := Truncate(m, rows, cols, 1)
	if err != nil {
		t.Fatal(err)
	}
	best := 0.0
	for i, v := range m {
		best += float64((v - low[i]) * (v - low[i]))
	}
	for range 2000 {
		direction, norm := make([]float64, cols), 0.0
		for j := range direction {
			direction[j] = stream.Normal()
			norm += direction[j] * direction[j]
		}
		off := 0.0
		for i := range rows {
			along, square := 0.0, 0.0
			for j, d := range direction {
				v := float64(m[i*cols+j])
				along += v * d / math.Sqrt(norm)
				square += v * v
			}
			off += square - along*along
		}
		if off < best-1e-5 {
			t.Fatalf("a direction leaves %v, the truncation %v", off, best)
		}
	}
}

func TestTruncateRefusesNotFinite(t *testing.T) {
	if _, err := Truncate([]float32{1, float32(math.NaN())}, 1, 2, 1); !errors.Is(err, ErrNotFinite) {
		t.Errorf("got %v", err)
	}
}
