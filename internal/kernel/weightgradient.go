package kernel

// WeightGradient computes one row of the weight gradient dY^T X: g[k] = sum over rows i of dy[i, o] * x[i, k], where dy is
// [x.Len(), out]. g has x's width.
func WeightGradient[F Float](g []F, x *Rows[F], dy []F, out, o int) {
	n := x.Len()
	if len(g) != x.width || len(dy) != n*out || o < 0 || o >= out {
		panic("kernel: WeightGradient with unfitting lengths")
	}
	clear(g)
	var waiting [4]term[F]
	count := 0
	for i := range n {
		d := dy[i*out+o]
		switch {
		case d == 0:
		case 3*x.count[i] >= x.width: // of this density, four rows in one dense pass cost less than their four lists
			waiting[count] = term[F]{d, x.row(i)}
			if count++; count == len(waiting) {
				add4(g, &waiting)
				count = 0
			}
		default:
			addEach(g, waiting[:count])
			count = 0
			index, value := x.list(i)
			addList(g, d, index, value)
		}
	}
	addEach(g, waiting[:count])
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
