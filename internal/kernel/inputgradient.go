package kernel

// inputBlock is how many rows of weights InputGradient takes through the whole batch while they are in the cache.
const inputBlock = 16

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
	var terms [inputBlock]term[F]
	n := 0
	for o, v := range d {
		if v != 0 {
			terms[n] = term[F]{v, w[o*in : (o+1)*in]}
			n++
		}
	}
	whole := n - n%4
	for j := 0; j < whole; j += 4 {
		add4(g, (*[4]term[F])(terms[j:]))
	}
	addEach(g, terms[whole:n])
}
