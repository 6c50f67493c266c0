package kernel

// Linear computes y = x W^T + bias: y is [x.Len(), out], w is [out, x's width], bias has out elements or is nil.
// The bias is added after the sum over inputs.
func Linear[F Float](y []F, x *Rows[F], w, bias []F, out int) {
	n, in := x.Len(), x.width
	if len(y) != n*out || len(w) != out*in || bias != nil && len(bias) != out {
		panic("kernel: Linear with unfitting lengths")
	}
	o := 0
	for ; o+4 <= out; o += 4 {
		linear4(y, x, w[o*in:(o+4)*in], out, o)
	}
	for ; o < out; o++ {
		row := w[o*in : (o+1)*in]
		for i := range n {
			index, value := x.list(i)
			y[i*out+o] = dotList(index, value, row)
		}
	}
	if bias != nil {
		addBias(y, bias)
	}
}

// linear4 computes columns o..o+3 of y from the four rows in w, which stay in the nearest cache for the whole batch.
func linear4[F Float](y []F, x *Rows[F], w []F, out, o int) {
	in := x.width
	w0, w1, w2, w3 := w[:in], w[in:2*in], w[2*in:3*in], w[3*in:4*in]
	for i := range x.Len() {
		q := y[i*out+o:][:4]
		if index, value := x.list(i); len(index) < in {
			q[0], q[1], q[2], q[3] = dotList4(index, value, w0, w1, w2, w3)
		} else {
			q[0], q[1], q[2], q[3] = dot4(value, w0, w1, w2, w3)
		}
	}
}

// dotList4 returns the products of one sparse row with four dense ones.
func dotList4[F Float](index []uint32, value, w0, w1, w2, w3 []F) (a0, a1, a2, a3 F) {
	value = value[:len(index)]
	w1, w2, w3 = w1[:len(w0)], w2[:len(w0)], w3[:len(w0)]
	for j, k := range index {
		v := value[j]
		a0 += F(v * w0[k])
		a1 += F(v * w1[k])
		a2 += F(v * w2[k])
		a3 += F(v * w3[k])
	}
	return a0, a1, a2, a3
}

// dot4 returns the products of one dense row with four.
func dot4[F Float](x, w0, w1, w2, w3 []F) (a0, a1, a2, a3 F) {
	w0, w1, w2, w3 = w0[:len(x)], w1[:len(x)], w2[:len(x)], w3[:len(x)]
	for k, v := range x {
		a0 += F(v * w0[k])
		a1 += F(v * w1[k])
		a2 += F(v * w2[k])
		a3 += F(v * w3[k])
	}
	return a0, a1, a2, a3
}

func dotList[F Float](index []uint32, value, w []F) (a F) {
	value = value[:len(index)]
	for j, k := range index {
		a += F(value[j] * w[k])
	}
	return a
}

func addBias[F Float](y, bias []F) {
	for len(y) > 0 {
		row := y[:len(bias)]
		for o, b := range bias {
			row[o] += b
		}
		y = y[len(bias):]
	}
}
