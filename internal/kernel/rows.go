package kernel

// Rows is a batch of rows prepared for products: beside the numbers themselves, each row's non-zeros as a list.
// It has room for a fixed number of rows of a fixed width and can be filled again and again.
type Rows[F Float] struct {
	width int
	x     []F      // the rows of the last Set, aliasing its argument
	index []uint32 // row r's non-zeros are at index[r*width:][:count[r]], ascending
	value []F      // value[j] = x[r*width+index[j]]
	count []int
}

// NewRows returns room for at most rows rows of width numbers.
func NewRows[F Float](rows, width int) *Rows[F] {
	return &Rows[F]{
		width: width,
		index: make([]uint32, rows*width),
		value: make([]F, rows*width),
		count: make([]int, 0, rows),
	}
}

// Set makes r the rows of x, whose length must be a multiple of the width within the room. The rows alias x, which
// must stay unchanged while r is used.
func (r *Rows[F]) Set(x []F) {
	n := len(x) / r.width
	if n*r.width != len(x) {
		panic("kernel: rows of unequal width")
	}
	r.x = x
	r.count = r.count[:n]
	for i := range n {
		from, to := i*r.width, (i+1)*r.width
		r.count[i] = compact(r.index[from:to], r.value[from:to], x[from:to])
	}
}

// Len returns the number of rows set.
func (r *Rows[F]) Len() int { return len(r.count) }

// compact lists the non-zeros of x and returns how many there are. NaN is not zero.
func compact[F Float](index []uint32, value, x []F) int {
	index, value = index[:len(x)], value[:len(x)]
	n := 0
	for i, v := range x {
		// Writing always and advancing sometimes keeps the loop free of unpredictable branches; n <= i < len(x).
		index[n], value[n] = uint32(i), v
		if v != 0 {
			n++
		}
	}
	return n
}

// list returns the non-zeros of row i.
func (r *Rows[F]) list(i int) ([]uint32, []F) {
	from := i * r.width
	n := r.count[i]
	return r.index[from : from+n], r.value[from : from+n]
}

// row returns all numbers of row i.
func (r *Rows[F]) row(i int) []F { return r.x[i*r.width : (i+1)*r.width] }
