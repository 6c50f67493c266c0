package kernel

// InputGradient computes the gradient with respect to the inputs of n examples: dy is what PutOutputs returned, dx is
// [n, Height, Width, Channels] and has Slack numbers more, which are overwritten.
//
// It is a convolution too, of the gradient with respect to the outputs, with the vectors running over the input channels;
// with a stride, one for each phase of it in either direction.
func (f *Filters[F]) InputGradient(dx, dy []F, n int) {
	w := &f.window
	size := w.Height * w.Width * w.Channels
	if n < 1 || len(dx) != n*size+Slack || len(dy) < n*f.Outputs() {
		panic("kernel: input gradient of a convolution with unfitting lengths")
	}
	if w.Kernel < w.Stride {
		clear(dx) // there are phases without any place
	}
	b := backward[F]{f: f, n: n, turned: f.scratch}
	for _, b.down = range f.down {
		for _, b.across = range f.across {
			if b.down.places == 0 || b.across.places == 0 {
				continue
			}
			b.turn()
			b.run(dx, dy)
		}
	}
}

// backward is a phase of an input gradient.
type backward[F Float] struct {
	f            *Filters[F]
	n            int
	down, across phase
	turned       []F // the weights of the phase: for each panel of 32 input channels a row for each place and output
	room         []F // for a phase of an example, where strides set its pixels apart
}

// width returns how many input channels panel p has, rounded up.
func (b *backward[F]) width(p int) int {
	return min(panelWidth, roundUp(b.f.window.Channels)-p*panelWidth)
}

// terms returns the terms of a sum.
func (b *backward[F]) terms() int { return b.down.places * b.across.places * b.f.out }

// turn fills turned. Places are in descending order, as the outputs that a pixel had part in ascend.
func (b *backward[F]) turn() {
	f := b.f
	w := &f.window
	b.room = b.turned[b.terms()*roundUp(w.Channels):]
	for first := 0; first < w.Channels; first += panelWidth {
		p := first / panelWidth
		width, count := b.width(p), min(panelWidth, w.Channels-first)
		to := b.turned[first*b.terms():]
		for y := b.down.places - 1; y >= 0; y-- {
			for x := b.across.places - 1; x >= 0; x-- {
				place := (b.down.place+y*w.Stride)*w.Kernel + b.across.place + x*w.Stride
				b.turnPlace(matrix[F]{x: to, row: width}, place*w.Channels+first, count)
				to = to[f.out*width:]
			}
		}
	}
}

// turnPlace writes count rows of the filters as columns.
func (b *backward[F]) turnPlace(to matrix[F], row, count int) {
	f := b.f
	for p := range f.Panels() {
		width := f.width(p)
		from := matrix[F]{x: f.panel(f.data, p)[row*width:], row: width}
		transpose(matrix[F]{x: to.x[p*panelWidth*to.row:], row: to.row}, from, count, f.count(p))
	}
}

// run computes the phase. Without a stride the results are written where they belong; else they are copied there.
func (b *backward[F]) run(dx, dy []F) {
	f := b.f
	w := &f.window
	q := &f.product
	*q = product[F]{rowA: f.out, termA: 1, terms: b.across.places * f.out, rows: b.across.pixels, mode: modeStore, rowC: w.Channels}
	if w.Stride > 1 {
		q.rowC = roundUp(w.Channels)
	}
	corner := (b.down.from+f.outputs.top)*f.outputs.line() + (b.across.from+f.outputs.left)*f.out
	size := w.Height * w.Width * w.Channels
	for i := range b.n {
		q.a, q.c = dy[i*f.Outputs()+corner:], dx[i*size:]
		if w.Stride > 1 {
			q.c = b.room
		}
		b.example()
		if w.Stride > 1 {
			b.place(dx[i*size:])
		}
	}
}

// example computes the phase of an example: a and c are those of its first row.
func (b *backward[F]) example() {
	f := b.f
	q := &f.product
	a, c := q.a, q.c
	for p := (f.window.Channels - 1) / panelWidth; p >= 0; p-- { // last first: see Weights.Forward
		width := b.width(p)
		q.b, q.rowB, q.lanes = b.turned[p*panelWidth*b.terms():], width, width
		q.spans = spans{b.down.places, f.outputs.line(), q.terms * width}
		for y := range b.down.pixels {
			q.a, q.c = a[y*f.outputs.line():], c[y*q.rows*q.rowC+p*panelWidth:]
			q.run()
		}
	}
}

// place copies the pixels of the phase from room to where they are in the image.
func (b *backward[F]) place(image []F) {
	w := &b.f.window
	wide := roundUp(w.Channels)
	for i := range b.down.pixels * b.across.pixels {
		y, x := b.down.pixel+i/b.across.pixels*w.Stride, b.across.pixel+i%b.across.pixels*w.Stride
		copy(image[(y*w.Width+x)*w.Channels:], b.room[i*wide:][:w.Channels])
	}
}
