package kernel

// blockOut is how many outputs Linear sums at once: enough independent sums to hide the latency of an addition, few enough
// for the sums and their products to stay in the 15 vector registers that Go's amd64 compiler hands out.
const blockOut = 6

// Linear computes y = x W^T + bias: y is [x.Len(), out], w is [out, x's width], bias has out elements or is nil.
// The bias is added after the sum over inputs.
func Linear[F Float](y []F, x *Rows[F], w, bias []F, out int) {
	n, in := x.Len(), x.width
	if len(y) != n*out || len(w) != out*in || bias != nil && len(bias) != out {
		panic("kernel: Linear with unfitting lengths")
	}
	if out < blockOut {
		for o := range out {
			linearOne(y, x, w[o*in:(o+1)*in], out, o)
		}
	}
	for o := 0; o < out && out >= blockOut; o += blockOut {
		// The last block is moved back to be whole: its first sums are computed twice, with the same bits.
		o := min(o, out-blockOut)
		linearBlock(y, x, w[o*in:(o+blockOut)*in], out, o)
	}
	if bias != nil {
		addBias(y, bias)
	}
}

// linearBlock computes columns o..o+blockOut-1 of y from the rows w, which stay in the nearest caches for the whole batch.
func linearBlock[F Float](y []F, x *Rows[F], w []F, out, o int) {
	for i := range x.Len() {
		index, value := x.list(i)
		dotBlock((*[blockOut]F)(y[i*out+o:]), index, value, w)
	}
}

// linearOne computes column o of y from the row w.
func linearOne[F Float](y []F, x *Rows[F], w []F, out, o int) {
	for i := range x.Len() {
		index, value := x.list(i)
		y[i*out+o] = dot(index, value, w)
	}
}

// dotBlock writes the products of a sparse row with the rows of w to y. It is not inlined: in its caller's company its
// loop runs out of registers.
//
//go:noinline
func dotBlock[F Float](y *[blockOut]F, index []uint32, value, w []F) {
	in := len(w) / blockOut
	w0, w1, w2 := w[:in], w[in:][:in], w[2*in:][:in]
	w3, w4, w5 := w[3*in:][:in], w[4*in:][:in], w[5*in:][:in]
	value = value[:len(index)]
	var a0, a1, a2, a3, a4, a5 F
	for j, k := range index {
		v := value[j]
		a0 += F(v * w0[k])
		a1 += F(v * w1[k])
		a2 += F(v * w2[k])
		a3 += F(v * w3[k])
		a4 += F(v * w4[k])
		a5 += F(v * w5[k])
	}
	*y = [blockOut]F{a0, a1, a2, a3, a4, a5}
}

// dot returns the product of a sparse row with w.
func dot[F Float](index []uint32, value, w []F) (a F) {
	value = value[:len(index)]
	for j, k := range index {
		a += F(value[j] * w[k])
	}
	return a
}

// addBias adds bias to every row of y.
func addBias[F Float](y, bias []F) {
	for len(y) > 0 {
		row := y[:len(bias)]
		for o, b := range bias {
			row[o] += b
		}
		y = y[len(bias):]
	}
}
