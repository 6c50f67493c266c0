package kernel

// matrix is a slice of numbers with the distance of its rows.
type matrix[F Float] struct {
	x    []F
	row  int
	next int // the matrix to be read after this one begins so far behind it, 0 for nowhere
}

// at returns the matrix from row r and column c on.
func (m matrix[F]) at(r, c int) matrix[F] { return matrix[F]{m.x[r*m.row+c:], m.row, m.next} }

// transpose writes the transposed of src, which is rows by columns, to dst.
func transpose[F Float](dst, src matrix[F], rows, columns int) {
	if turn := inUse.Load().turn; turn != nil && min(rows, columns) >= 8 {
		if d, ok := any(dst).(matrix[float32]); ok {
			s := any(src).(matrix[float32])
			turn(d, s, rows&^7, columns&^7)
			edges(rows, columns, func(i, j, rows, columns int) { turn(d.at(j, i), s.at(i, j), rows, columns) })
			return
		}
	}
	for i := range rows {
		for j := range columns {
			dst.x[j*dst.row+i] = src.x[i*src.row+j]
		}
	}
}

// transposeMasked is transpose, but writes +0 where mask, laid out like dst, is 0 or below.
func transposeMasked[F Float](dst, mask, src matrix[F], rows, columns int) {
	mask.row = dst.row
	if turn := inUse.Load().turnMasked; turn != nil && min(rows, columns) >= 8 {
		if d, ok := any(dst).(matrix[float32]); ok {
			m, s := any(mask).(matrix[float32]), any(src).(matrix[float32])
			turn(d, m, s, rows&^7, columns&^7)
			edges(rows, columns, func(i, j, rows, columns int) { turn(d.at(j, i), m.at(j, i), s.at(i, j), rows, columns) })
			return
		}
	}
	for i := range rows {
		for j := range columns {
			dst.x[j*dst.row+i] = masked(src.x[i*src.row+j], mask.x[j*dst.row+i])
		}
	}
}

// edges covers the last rows and columns of rows by columns, at least 8 each, that fill no block of 8x8, by blocks that
// begin before: what is written there twice is the same.
func edges(rows, columns int, turn func(row, column, rows, columns int)) {
	r, c := rows&^7, columns&^7
	if c < columns {
		turn(0, columns-8, r, 8)
	}
	if r < rows {
		turn(rows-8, 0, 8, c)
	}
	if c < columns && r < rows {
		turn(rows-8, columns-8, 8, 8)
	}
}

// Transpose writes the transposed of src, which is [rows, columns], to dst.
func Transpose[F Float](dst, src []F, rows, columns int) {
	transpose(matrix[F]{x: dst, row: rows}, matrix[F]{x: src, row: columns}, rows, columns)
}
