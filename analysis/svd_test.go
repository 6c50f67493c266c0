package analysis

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// gaussian returns a rows x cols matrix of standard normal values.
func gaussian(key uint64, rows, cols int) []float64 {
	stream := keyed.New(1, "analysis test", key)
	m := make([]float64, rows*cols)
	for i := range m {
		m[i] = stream.Normal()
	}
	return m
}

// orthonormal returns n x k with orthonormal columns, by Gram-Schmidt done twice.
func orthonormal(key uint64, n, k int) []float64 {
	q := gaussian(key, n, k)
	for j := range k {
		for range 2 {
			for p := range j {
				dot := columnDot(q, k, p, j)
				for i := range n {
					q[i*k+j] -= dot * q[i*k+p]
				}
			}
		}
		norm := math.Sqrt(columnDot(q, k, j, j))
		for i := range n {
			q[i*k+j] /= norm
		}
	}
	return q
}

func columnDot(m []float64, cols, a, b int) float64 {
	sum := 0.0
	for i := 0; i < len(m); i += cols {
		sum += m[i+a] * m[i+b]
	}
	return sum
}

// withSpectrum returns U diag(s) V^T as float32 for random orthogonal factors.
func withSpectrum(key uint64, rows, cols int, s []float64) []float32 {
	u, v := orthonormal(2*key, rows, len(s)), orthonormal(2*key+1, cols, len(s))
	m := make([]float32, rows*cols)
	for i := range rows {
		for j := range cols {
			sum := 0.0
			for k, value := range s {
				sum += value * u[i*len(s)+k] * v[j*len(s)+k]
			}
			m[i*cols+j] = float32(sum)
		}
	}
	return m
}

// jacobiValues is the twin: one-sided Jacobi, which rotates pairs of columns until all are orthogonal, so that their norms
// are the singular values (the square roots of the eigenvalues of the Gram matrix that the same rotations diagonalize).
func jacobiValues(matrix []float32, rows, cols int) []float64 {
	if rows < cols {
		return jacobiValues(transpose(matrix, rows, cols), cols, rows)
	}
	m := toFloat64(matrix)
	for rotated := true; rotated; {
		rotated = false
		for p := range cols {
			for q := p + 1; q < cols; q++ {
				rotated = rotate(m, cols, p, q) || rotated
			}
		}
	}
	s := make([]float64, cols)
	for j := range s {
		s[j] = math.Sqrt(columnDot(m, cols, j, j))
	}
	slices.SortFunc(s, func(a, b float64) int { return -compare(a, b) })
	return s
}

func rotate(m []float64, cols, p, q int) bool {
	a, b, c := columnDot(m, cols, p, p), columnDot(m, cols, q, q), columnDot(m, cols, p, q)
	if math.Abs(c) <= 1e-15*math.Sqrt(a*b) {
		return false
	}
	zeta := (b - a) / (2 * c)
	t := math.Copysign(1, zeta) / (math.Abs(zeta) + math.Sqrt(1+zeta*zeta))
	cos := 1 / math.Sqrt(1+t*t)
	for i := 0; i < len(m); i += cols {
		x, y := m[i+p], m[i+q]
		m[i+p], m[i+q] = cos*(x-t*y), cos*(y+t*x)
	}
	return true
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func transpose(m []float32, rows, cols int) []float32 {
	t := make([]float32, len(m))
	for i := range rows {
		for j := range cols {
			t[j*rows+i] = m[i*cols+j]
		}
	}
	return t
}

func toFloat64(m []float32) []float64 {
	out := make([]float64, len(m))
	for i, v := range m {
		out[i] = float64(v)
	}
	return out
}

func toFloat32(m []float64) []float32 {
	out := make([]float32, len(m))
	for i, v := range m {
		out[i] = float32(v)
	}
	return out
}

func values(t testing.TB, w *Workspace, m []float32, rows, cols int) []float64 {
	t.Helper()
	s, err := w.Values(m, rows, cols)
	if err != nil {
		t.Fatalf("singular values of %d x %d: %v", rows, cols, err)
	}
	return slices.Clone(s)
}

func maxDifference(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(a[i]-b[i]))
	}
	return worst
}

// Both sides of the fold, both orientations, and sizes at which gonum works in parallel.
var shapes = []struct{ rows, cols int }{
	{1, 1}, {1, 7}, {7, 1}, {10, 10}, {10, 84}, {84, 10}, {3, 513}, {700, 3}, {1500, 5}, {5, 1537}, {60, 600}, {90, 40}, {1030, 64},
}

func TestValuesOfPrescribedSpectrum(t *testing.T) {
	var w Workspace
	for i, shape := range shapes {
		want := make([]float64, min(shape.rows, shape.cols))
		square := 0.0
		for k := range want {
			want[k] = math.Pow(0.8, float64(k)) // spans the range where an error relative to the largest value shows
			square += want[k] * want[k]
		}
		m := withSpectrum(uint64(i), shape.rows, shape.cols, want)
		got := values(t, &w, m, shape.rows, shape.cols)
		// Rounding to float32 moves the matrix by at most 2^-24 ||W||_F, and by Weyl each singular value by no more.
		if worst, bound := maxDifference(got, want), 0x1p-24*math.Sqrt(square); worst > bound+1e-14 {
			t.Errorf("%d x %d: off by %g, bound %g", shape.rows, shape.cols, worst, bound)
		}
	}
}

func TestValuesAgainstJacobi(t *testing.T) {
	var w Workspace
	for i, shape := range shapes {
		m := toFloat32(gaussian(uint64(100+i), shape.rows, shape.cols))
		got, want := values(t, &w, m, shape.rows, shape.cols), jacobiValues(m, shape.rows, shape.cols)
		// Both are backward stable: an error of a few roundings of the largest value, times a low power of the size.
		if worst := maxDifference(got, want); worst > 1e-13*want[0] {
			t.Errorf("%d x %d: off by %g of %g", shape.rows, shape.cols, worst, want[0])
		}
		turned := values(t, &w, transpose(m, shape.rows, shape.cols), shape.cols, shape.rows)
		if worst := maxDifference(got, turned); worst > 1e-13*want[0] {
			t.Errorf("%d x %d: transposed off by %g of %g", shape.rows, shape.cols, worst, want[0])
		}
		if !slices.IsSortedFunc(got, func(a, b float64) int { return -compare(a, b) }) {
			t.Errorf("%d x %d: not descending: %v", shape.rows, shape.cols, got)
		}
	}
}

// Ranks that are counted at small thresholds must not see what a Gram matrix would make of small singular values.
func TestValuesKeepSmallOnes(t *testing.T) {
	var w Workspace
	m := make([]float32, 600*6)
	for i := range 6 {
		m[i*6+i] = float32(math.Ldexp(1, -8*i)) // 1 ... 2^-40; their squares would drown in the rounding of 1
	}
	for i, v := range values(t, &w, m, 600, 6) {
		if want := math.Ldexp(1, -8*i); math.Abs(v-want) > 1e-15 {
			t.Errorf("value %d = %g, want %g", i, v, want)
		}
	}
}

func TestValuesDependOnNothingElse(t *testing.T) {
	m := toFloat32(gaussian(7, 200, 300))
	long := toFloat32(gaussian(8, 900, 130))
	want, wantLong := values(t, new(Workspace), m, 200, 300), values(t, new(Workspace), long, 900, 130)
	var used Workspace
	for _, threads := range []int{1, 2, 5} {
		before := runtime.GOMAXPROCS(threads)
		first, second := values(t, &used, long, 900, 130), values(t, &used, m, 200, 300)
		runtime.GOMAXPROCS(before)
		if !slices.Equal(first, wantLong) || !slices.Equal(second, want) {
			t.Errorf("%d threads, a used workspace: other bits", threads)
		}
	}
}

func TestValuesRefuseNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		m := make([]float32, 600*4)
		m[1234] = float32(bad)
		if s, err := new(Workspace).Values(m, 600, 4); !errors.Is(err, ErrNotFinite) || s != nil {
			t.Errorf("%v: got %v, %v", bad, s, err)
		}
	}
	extreme := []float32{math.MaxFloat32, 0, 0, math.SmallestNonzeroFloat32}
	got := values(t, new(Workspace), extreme, 2, 2)
	if got[0] != math.MaxFloat32 {
		t.Errorf("largest finite value: %v", got)
	}
}

func TestWorkspaceIsBoundedByTheSmallerSide(t *testing.T) {
	for _, shape := range []struct{ long, short int }{{60000, 3}, {3000, 200}, {511, 127}, {4096, 128}} {
		var w Workspace
		values(t, &w, make([]float32, shape.long*shape.short), shape.short, shape.long)
		held := cap(w.a) + cap(w.work) + cap(w.tau) + cap(w.values)
		if bound := 6 * shape.short * max(shape.short, 128); held > bound {
			t.Errorf("%d x %d: holds %d numbers, bound %d", shape.short, shape.long, held, bound)
		}
	}
}

func BenchmarkValues(b *testing.B) {
	for _, shape := range []struct{ rows, cols int }{{200, 784}, {784, 200}, {200, 200}, {1024, 1024}, {512, 4096}} {
		b.Run(fmt.Sprintf("%dx%d", shape.rows, shape.cols), func(b *testing.B) {
			m := toFloat32(gaussian(9, shape.rows, shape.cols))
			var w Workspace
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Values(m, shape.rows, shape.cols); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
