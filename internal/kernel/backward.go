package kernel

// WeightGradient computes one row of the weight gradient dY^T X: g[k] = sum over rows i of dy[i, o] * x[i, k], where dy is
// [x.Len(), out]. g has x's width.
func WeightGradient[F Float](g []F, x *Rows[F], dy []F, out, o int) {
	n := x.Len()
	if len(g) != x.width || len(dy) != n*out || o < 0 || o >= out {
		panic("kernel: WeightGradient with unfitting lengths")
	}
	clear(g)
	for i := range n {
		if d := dy[i*out+o]; d != 0 {
			index, value := x.list(i)
			addList(g, d, index, value)
		}
	}
}

// addList adds d times a sparse row to g.
func addList[F Float](g []F, d F, index []uint32, value []F) {
	value = value[:len(index)]
	for j, k := range index {
		g[k] += F(d * value[j])
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

// inputBlock is how many rows of weights InputGradient takes through the whole batch while they are in the cache.
const inputBlock = 8

// InputGradient computes dx = dy W: dx is [n, in], dy is [n, out], w is [out, in].
func InputGradient[F Float](dx, dy, w []F, out, in int) {
	n := len(dy) / out
	if len(dy) != n*out || len(dx) != n*in || len(w) != out*in {
		panic("kernel: InputGradient with unfitting lengths")
	}
	clear(dx)
	for o := 0; o < out; o += inputBlock {
		end := min(o+inputBlock, out)
		for i := range n {
			addRows(dx[i*in:(i+1)*in], dy[i*out+o:i*out+end], w[o*in:end*in])
		}
	}
}

// addRows adds d[0]*row 0 of w, then d[1]*row 1 and so on to g, leaving out zeros, up to four rows in one pass.
func addRows[F Float](g, d, w []F) {
	in := len(g)
	var coeff [inputBlock]F
	var rows [inputBlock][]F
	n := 0
	for o, v := range d {
		if v != 0 {
			coeff[n], rows[n] = v, w[o*in:(o+1)*in]
			n++
		}
	}
	j := 0
	for ; j+4 <= n; j += 4 {
		add4(g, coeff[j], coeff[j+1], coeff[j+2], coeff[j+3], rows[j], rows[j+1], rows[j+2], rows[j+3])
	}
	for ; j < n; j++ {
		add1(g, coeff[j], rows[j])
	}
}

func add4[F Float](g []F, c0, c1, c2, c3 F, r0, r1, r2, r3 []F) {
	r0, r1, r2, r3 = r0[:len(g)], r1[:len(g)], r2[:len(g)], r3[:len(g)]
	for k, a := range g {
		a += F(c0 * r0[k])
		a += F(c1 * r1[k])
		a += F(c2 * r2[k])
		a += F(c3 * r3[k])
		g[k] = a
	}
}

func add1[F Float](g []F, c F, r []F) {
	r = r[:len(g)]
	for k, v := range r {
		g[k] += F(c * v)
	}
}
