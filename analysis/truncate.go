package analysis

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// Truncate writes the best approximation of rank at most rank to the row-major rows x cols matrix into dst, which may be the
// matrix itself: the sum of its first singular components (Eckart and Young), computed in float64 and rounded once. It returns
// ErrNotFinite for a matrix with NaN or Inf, and ErrNoConvergence as Workspace.Values does; dst is then as before.
func Truncate(dst, matrix []float32, rows, cols, rank int) error {
	if rows <= 0 || cols <= 0 || len(matrix) != rows*cols || len(dst) != rows*cols || rank < 0 {
		panic(fmt.Sprintf("analysis: truncating %d values of a %d x %d matrix to rank %d into %d", len(matrix), rows, cols, rank, len(dst)))
	}
	if !allFinite(matrix) {
		return ErrNotFinite
	}
	wide := mat.NewDense(rows, cols, nil)
	for i, v := range matrix {
		wide.RawMatrix().Data[i] = float64(v)
	}
	var svd mat.SVD
	if !svd.Factorize(wide, mat.SVDThin) {
		return ErrNoConvergence
	}
	if rank = min(rank, rows, cols); rank == 0 {
		clear(dst)
		return nil
	}
	var u, v, product mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	left := u.Slice(0, rows, 0, rank).(*mat.Dense)
	values := svd.Values(nil)
	left.Apply(func(_, j int, x float64) float64 { return x * values[j] }, left)
	product.Mul(left, v.Slice(0, cols, 0, rank).T())
	for i := range rows {
		for j := range cols {
			dst[i*cols+j] = float32(product.At(i, j))
		}
	}
	return nil
}
