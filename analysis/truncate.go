package analysis

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// Truncate returns the best approximation of rank r of the row-major rows x cols matrix, in every norm that depends on singular
// values alone (Eckart, Young, Mirsky): its r largest singular values with their vectors, computed in float64 and rounded once (P1.8).
// With r of min(rows, cols) or more it is the matrix itself, as far as rounding goes. The matrix is not changed. It allocates about
// 8 (2 rows cols + min(rows, cols)^2) bytes. NaN or Inf gives ErrNotFinite.
func Truncate(matrix []float32, rows, cols, r int) ([]float32, error) {
	if rows <= 0 || cols <= 0 || len(matrix) != rows*cols || r < 0 {
		panic(fmt.Sprintf("analysis: rank %d of %d values in a %d x %d matrix", r, len(matrix), rows, cols))
	}
	if !allFinite(matrix) {
		return nil, ErrNotFinite
	}
	side := min(rows, cols)
	a, u, vt := general(rows, cols), general(rows, side), general(side, cols)
	for i, v := range matrix {
		a.Data[i] = float64(v)
	}
	s := make([]float64, side)
	var need [1]float64
	lapack64.Gesvd(lapack.SVDStore, lapack.SVDStore, a, u, vt, s, need[:], -1)
	if work := make([]float64, int(need[0])); !lapack64.Gesvd(lapack.SVDStore, lapack.SVDStore, a, u, vt, s, work, len(work)) {
		return nil, ErrNoConvergence
	}
	return product(u, s[:min(r, side)], vt), nil
}

// product returns u diag(s) vt, of as many columns of u and rows of vt as there are values.
func product(u blas64.General, s []float64, vt blas64.General) []float32 {
	for i := range u.Rows {
		for j, v := range s {
			u.Data[i*u.Stride+j] *= v
		}
	}
	low := general(u.Rows, vt.Cols)
	if len(s) > 0 {
		u.Cols, vt.Rows = len(s), len(s)
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, u, vt, 0, low)
	}
	rounded := make([]float32, len(low.Data))
	for i, v := range low.Data {
		rounded[i] = float32(v)
	}
	return rounded
}

func general(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float64, rows*cols)}
}
