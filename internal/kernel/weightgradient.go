package kernel

// WeightGradient computes one row of the weight gradient dY^T X: g[k] = sum over rows i of dy[i, o] * x[i, k], where dy is
// [x.Len(), out]. g has x's width.
func WeightGradient[F Float](g []F, x *Rows[F], dy []F, out, o int) {
	n := x.Len()
	if len(g) != x.width || len(dy) != n*out || o < 0 || o >= out {
		panic("kernel: WeightGradient with unfitting lengths")
	}
	clear(g)
	var four [4]int // rows that wait to be added in one pass over g
	waiting := 0
	for i := range n {
		switch {
		case dy[i*out+o] == 0:
		case 3*x.count[i] >= x.width: // four dense passes in one cost less than four lists of this density
			four[waiting] = i
			if waiting++; waiting == len(four) {
				addFour(g, x, dy, four, out, o)
				waiting = 0
			}
		default:
			addEach(g, x, dy, four[:waiting], out, o)
			waiting = 0
			index, value := x.list(i)
			addList(g, dy[i*out+o], index, value)
		}
	}
	addEach(g, x, dy, four[:waiting], out, o)
}

// addFour adds four rows of x, times their factors in column o of dy, to g in one pass.
func addFour[F Float](g []F, x *Rows[F], dy []F, i [4]int, out, o int) {
	add4(g, dy[i[0]*out+o], dy[i[1]*out+o], dy[i[2]*out+o], dy[i[3]*out+o],
		x.row(i[0]), x.row(i[1]), x.row(i[2]), x.row(i[3]))
}

// addEach adds some rows of x, times their factors in column o of dy, to g one after the other.
func addEach[F Float](g []F, x *Rows[F], dy []F, rows []int, out, o int) {
	for _, i := range rows {
		index, value := x.list(i)
		addList(g, dy[i*out+o], index, value)
	}
}

// BiasGradient computes the column sums of dy, which is [n, len(g)].
func BiasGradient[F Float](g, dy []F) {
	clear(g)
	for len(dy) > 0 {
		row := dy[:len(g)]
		for o, d := range row {
			g[o] += d
		}
		dy = dy[len(g):]
	}
}
