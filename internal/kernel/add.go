package kernel

// The loops below are where backward passes spend their time. They are not inlined, because in a caller's company they run
// out of registers.

// addList adds d times a sparse row to g.
//
//go:noinline
func addList[F Float](g []F, d F, index []uint32, value []F) {
	value = value[:len(index)]
	for j, k := range index {
		g[k] += F(d * value[j])
	}
}

// add4 adds c0*r0, then c1*r1, c2*r2 and c3*r3 to g.
//
//go:noinline
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

// add1 adds c*r to g.
//
//go:noinline
func add1[F Float](g []F, c F, r []F) {
	r = r[:len(g)]
	for k, v := range r {
		g[k] += F(c * v)
	}
}
