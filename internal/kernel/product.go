package kernel

// The modes: what happens to a finished sum. tools/kernelasm knows their numbers; tiles_arm64.s takes them from
// the compiler.
const (
	modeStore    = iota // c = sum
	modeBias            // c = sum + extra
	modeReLU            // c = sum + extra, or +0 where that is below 0
	modeMask            // c = sum, or +0 where extra is 0 or below
	modePlain           // c is a weight, the sum its gradient: see SGD
	modeShrink          // the same
	modeMomentum        // the same; extra is the velocity
	modeNesterov        // the same
)

// product is C = A B with what happens to its sums. All distances are in numbers. It lives in its owner, not on a stack,
// because calls of assembly through tables let it escape.
type product[F Float] struct {
	a           []F // element (i, k) is a[i*rowA+k*termA]
	rowA, termA int
	b           []F // row k is b[k*rowB:][:lanes]
	rowB        int
	c           []F // row i is c[i*rowC:][:lanes]; rows are written in ascending order, so they may overlap
	rowC        int
	extra       []F // row i is extra[i*rowExtra:][:lanes]
	rowExtra    int
	rows        int
	lanes       int // a multiple of 8, at most panelWidth
	terms       int
	spans       spans
	from        []F // nil, or what the sums go on from in place of +0: rows like those of c
	mode        int
	soon        int // an update asks memory early for what lies so far behind c; 0: for the next rows of c
	sgd         SGD[F]
	tile        tile
}

// spans are the further dimensions of terms: there are so many for each of count spans, which follow each other at the
// distances a and b. A count of 0 is one span.
type spans struct{ count, a, b int }

// run computes the product with the kernel in use.
func (p *product[F]) run() {
	if q, ok := any(p).(*product[float32]); ok {
		q.runWith(inUse.Load())
		return
	}
	p.runWith(portable)
}

// runWith computes the product as i does; F is float32 unless that is the portable twin.
func (p *product[F]) runWith(i *implementation) {
	if i.run != nil {
		i.run(any(p).(*product[float32]))
		return
	}
	for i := range p.rows {
		p.row(i)
	}
}

// row is the portable twin: row i of the product.
func (p *product[F]) row(i int) {
	var room [panelWidth]F
	sums := room[:p.lanes]
	if p.from != nil {
		copy(sums, p.from[i*p.rowC:])
	}
	for s := range max(p.spans.count, 1) {
		a, b := p.a[i*p.rowA+s*p.spans.a:], p.b[s*p.spans.b:]
		for k := range p.terms {
			addProducts(sums, b[k*p.rowB:], a[k*p.termA])
		}
	}
	p.finish(i, sums)
}

// finish does with the sums of row i what the mode says.
func (p *product[F]) finish(i int, sums []F) {
	c := p.c[i*p.rowC:][:p.lanes]
	var extra []F
	if p.extra != nil {
		extra = p.extra[i*p.rowExtra:][:p.lanes]
	}
	for j, s := range sums {
		switch p.mode {
		case modeStore:
			c[j] = s
		case modeBias, modeReLU:
			c[j] = p.output(s + extra[j])
		case modeMask:
			c[j] = masked(s, extra[j])
		case modePlain, modeShrink:
			p.sgd.update(p.mode, s, &c[j], nil)
		default:
			p.sgd.update(p.mode, s, &c[j], &extra[j])
		}
	}
}

func (p *product[F]) output(y F) F {
	if p.mode == modeReLU && y < 0 {
		return 0
	}
	return y
}

func masked[F Float](d, y F) F {
	if y <= 0 {
		return 0
	}
	return d
}
