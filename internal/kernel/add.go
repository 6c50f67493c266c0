package kernel

// term is a row to be added to a sum of rows, times a factor.
type term[F Float] struct {
	factor F
	row    []F
}

// addEach adds terms to g one after the other.
func addEach[F Float](g []F, terms []term[F]) {
	for i := range terms {
		add1(g, terms[i].factor, terms[i].row)
	}
}

// The loops below are where backward passes spend their time. They are not inlined, because in a caller's company they run
// out of registers.

// add4 adds four terms to g, to each of its elements in their order.
//
//go:noinline
func add4[F Float](g []F, terms *[4]term[F]) {
	c0, c1, c2, c3 := terms[0].factor, terms[1].factor, terms[2].factor, terms[3].factor
	r0, r1, r2, r3 := terms[0].row[:len(g)], terms[1].row[:len(g)], terms[2].row[:len(g)], terms[3].row[:len(g)]
	for k, a := range g {
		a += F(c0 * r0[k])
		a += F(c1 * r1[k])
		a += F(c2 * r2[k])
		a += F(c3 * r3[k])
		g[k] = a
	}
}

// add1 adds c*r to g.
//
//go:noinline
func add1[F Float](g []F, c F, r []F) {
	r = r[:len(g)]
	for k, v := range r {
		g[k] += F(c * v)
	}
}

// addList adds d times a sparse row to g.
//
//go:noinline
func addList[F Float](g []F, d F, index []uint32, value []F) {
	value = value[:len(index)]
	for j, k := range index {
		g[k] += F(d * value[j])
	}
}
