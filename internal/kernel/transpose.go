package kernel

// matrix is a slice of numbers with the distance of its rows.
type matrix[F Float] struct {
	x    []F
	row  int
	next int // the matrix to be read after this one begins so far behind it, 0 for nowhere
}

// transpose writes the transposed of src, which is rows by columns, to dst.
func transpose[F Float](dst, src matrix[F], rows, columns int) {
	r, c := 0, 0
	if turn := inUse.Load().turn; turn != nil {
		if d, ok := any(dst).(matrix[float32]); ok && rows >= 8 && columns >= 8 {
			r, c = rows&^7, columns&^7
			turn(d, any(src).(matrix[float32]), r, c)
		}
	}
	for i := range rows {
		from := c
		if i >= r {
			from = 0
		}
		for j := from; j < columns; j++ {
			dst.x[j*dst.row+i] = src.x[i*src.row+j]
		}
	}
}

// transposeMasked is transpose, but writes +0 where mask, laid out like dst, is 0 or below.
func transposeMasked[F Float](dst, mask, src matrix[F], rows, columns int) {
	r, c := 0, 0
	if turn := inUse.Load().turnMasked; turn != nil {
		if d, ok := any(dst).(matrix[float32]); ok && rows >= 8 && columns >= 8 {
			r, c = rows&^7, columns&^7
			turn(d, any(mask).(matrix[float32]), any(src).(matrix[float32]), r, c)
		}
	}
	for i := range rows {
		from := c
		if i >= r {
			from = 0
		}
		for j := from; j < columns; j++ {
			dst.x[j*dst.row+i] = masked(src.x[i*src.row+j], mask.x[j*dst.row+i])
		}
	}
}

// Transpose writes the transposed of src, which is [rows, columns], to dst.
func Transpose[F Float](dst, src []F, rows, columns int) {
	transpose(matrix[F]{x: dst, row: rows}, matrix[F]{x: src, row: columns}, rows, columns)
}
