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
	// A matrix of at most foldRatio times as many rows as columns (seen with its longer side upright), or of at most
	// foldRows rows, is factorized at once; gonum itself starts with a QR factorization when that pays. A longer one is
	// folded, foldRatio times its smaller side at a time, so that memory depends on the smaller side alone.
	foldRatio = 4
	foldRows  = 512
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
	if long <= max(foldRatio*short, foldRows) {
		w.a = resize(w.a, len(matrix))
		for i, v := range matrix {
			w.a[i] = float64(v)
		}
		return w.factorize(rows, cols)
	}
	w.fold(upright{matrix, cols, long, short, rows < cols})
	return w.factorize(short, short)
}

// factorize replaces the rows x cols matrix in w.a by its singular values in w.values.
func (w *Workspace) factorize(rows, cols int) ([]float64, error) {
	a := blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: w.a[:rows*cols]}
	none := blas64.General{}
	var need [1]float64
	lapack64.Gesvd(lapack.SVDNone, lapack.SVDNone, a, none, none, w.values, need[:], -1)
	w.work = resize(w.work, int(need[0]))
	if !lapack64.Gesvd(lapack.SVDNone, lapack.SVDNone, a, none, none, w.values, w.work, len(w.work)) {
		return nil, ErrNoConvergence
	}
	return w.values, nil
}

// upright reads a matrix with its longer side upright, transposing where needed: singular values do not care.
type upright struct {
	values      []float32
	cols        int // of values
	long, short int
	transpose   bool
}

// row writes row i of the upright matrix into dst, of short elements.
func (u upright) row(dst []float64, i int) {
	if u.transpose {
		for j := range dst {
			dst[j] = float64(u.values[j*u.cols+i])
		}
		return
	}
	for j, v := range u.values[i*u.cols : i*u.cols+u.short] {
		dst[j] = float64(v)
	}
}

// fold leaves in w.a a short x short triangle with the singular values of u: the R of a QR factorization, made by
// factorizing again and again the R so far with the next rows below it. Householder reflections keep the singular values
// to a few roundings of the largest, as the factorization of the whole would.
func (w *Workspace) fold(u upright) {
	n := u.short
	part := max(foldRatio*n, foldRows)
	w.a = resize(w.a, (n+part)*n)
	for kept, next := 0, 0; next < u.long; kept = n {
		rows := kept
		for ; next < u.long && rows < kept+part; rows++ {
			u.row(w.a[rows*n:(rows+1)*n], next)
			next++
		}
		w.triangulate(rows, n)
	}
}

// triangulate replaces the rows x n matrix in w.a by the R of its QR factorization. With fewer rows than columns it would
// have no square R; the first part always has more, and later ones stand below an R.
func (w *Workspace) triangulate(rows, n int) {
	a := blas64.General{Rows: rows, Cols: n, Stride: n, Data: w.a[:rows*n]}
	var need [1]float64
	lapack64.Geqrf(a, w.tau, need[:], -1)
	w.work = resize(w.work, int(need[0]))
	lapack64.Geqrf(a, w.tau, w.work, len(w.work))
	for i := 1; i < n; i++ {
		clear(a.Data[i*n : i*n+i])
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
