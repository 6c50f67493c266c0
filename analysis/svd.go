package analysis

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// ErrNotFinite says that a measurement met NaN or an infinity.
var ErrNotFinite = errors.New("not finite")

// ErrNoConvergence says that the singular value iteration did not converge, which no finite matrix is known to cause.
var ErrNoConvergence = errors.New("singular values did not converge")

const (
	// A matrix whose longer side is at most foldRatio times its shorter one, or at most foldColumns, is factorized at
	// once; gonum itself starts with a QR or LQ factorization where that pays. A longer one is folded, that many columns
	// at a time, so that memory depends on the shorter side alone.
	foldRatio   = 4
	foldColumns = 512
)

// Workspace is the reusable memory of singular values. The zero value is ready. It grows to the largest matrix seen, to at
// most about 6 n max(n, 128) float64 for a matrix whose smaller side is n. One goroutine uses it at a time.
type Workspace struct {
	values []float64 // the singular values last returned
	a      []float64 // the matrix, or the part of it being folded; destroyed by the factorization
	tau    []float64
	work   []float64
}

// Values returns the singular values of the row-major rows x cols matrix, all min(rows, cols) of them, in descending
// order. The matrix is converted to float64 first (M9) and not changed. The result is valid until the next call.
// A matrix with NaN or Inf gives ErrNotFinite.
func (w *Workspace) Values(matrix []float32, rows, cols int) ([]float64, error) {
	if rows <= 0 || cols <= 0 || len(matrix) != rows*cols {
		panic(fmt.Sprintf("analysis: %d values for a %d x %d matrix", len(matrix), rows, cols))
	}
	if !allFinite(matrix) {
		return nil, ErrNotFinite
	}
	long, short := max(rows, cols), min(rows, cols)
	w.values = resize(w.values, short)
	w.tau = resize(w.tau, short)
	if long > max(foldRatio*short, foldColumns) {
		return w.factorize(w.fold(flat{matrix, short, long, rows > cols}))
	}
	w.a = resize(w.a, len(matrix))
	for i, v := range matrix {
		w.a[i] = float64(v)
	}
	return w.factorize(blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: w.a})
}

// factorize destroys a, a part of w.a, and returns its singular values in w.values.
func (w *Workspace) factorize(a blas64.General) ([]float64, error) {
	none := blas64.General{}
	var need [1]float64
	lapack64.Gesvd(lapack.SVDNone, lapack.SVDNone, a, none, none, w.values, need[:], -1)
	w.work = resize(w.work, int(need[0]))
	if !lapack64.Gesvd(lapack.SVDNone, lapack.SVDNone, a, none, none, w.values, w.work, len(w.work)) {
		return nil, ErrNoConvergence
	}
	return w.values, nil
}

// flat reads a matrix with its longer side lying, transposing where needed: singular values do not care.
type flat struct {
	values      []float32
	short, long int
	transpose   bool // values are long x short
}

// columns writes columns [first, first+count) of the flat matrix into dst, whose rows are stride apart.
func (f flat) columns(dst []float64, stride, first, count int) {
	if f.transpose {
		for j, v := range f.values[first*f.short : (first+count)*f.short] {
			dst[j%f.short*stride+j/f.short] = float64(v)
		}
		return
	}
	for i := range f.short {
		for j, v := range f.values[i*f.long+first:][:count] {
			dst[i*stride+j] = float64(v)
		}
	}
}

// fold returns a short x short triangle in w.a with the singular values of f: the L of an LQ factorization, made by
// factorizing again and again the L so far with the next columns beside it. Householder reflections keep the singular
// values to a few roundings of the largest, as the factorization of the whole would. (Rows are what lies together in
// memory: the LQ of a flat matrix takes two thirds of the time of the QR of an upright one.)
func (w *Workspace) fold(f flat) blas64.General {
	n, part := f.short, max(foldRatio*f.short, foldColumns)
	a := blas64.General{Rows: n, Stride: n + part}
	w.a = resize(w.a, n*a.Stride)
	a.Data = w.a
	for next := 0; next < f.long; a.Cols = n {
		count := min(part, f.long-next)
		f.columns(a.Data[a.Cols:], a.Stride, next, count)
		next += count
		a.Cols += count
		w.triangulate(a)
	}
	return a
}

// triangulate replaces the first columns of a, which has at least as many columns as rows, by the L of its LQ
// factorization.
func (w *Workspace) triangulate(a blas64.General) {
	var need [1]float64
	lapack64.Gelqf(a, w.tau, need[:], -1)
	w.work = resize(w.work, int(need[0]))
	lapack64.Gelqf(a, w.tau, w.work, len(w.work))
	for i := range a.Rows {
		clear(a.Data[i*a.Stride+i+1 : i*a.Stride+a.Rows])
	}
}

// resize returns a slice of n elements, s itself where it is large enough; its contents are arbitrary.
func resize(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	return s[:n]
}

func allFinite(values []float32) bool {
	for _, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}
