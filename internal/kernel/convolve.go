package kernel

// Inputs returns how many numbers an example has in what Forward reads: an image with Padding zeros around it.
func (f *Filters[F]) Inputs() int { return f.inputs.size() }

// Outputs returns how many numbers an example has in what gradients are computed from: the gradient with respect to the
// outputs, with as many zeros around it as input gradients look at.
func (f *Filters[F]) Outputs() int { return f.outputs.size() }

// PutInputs copies n images to framed, which is [n, Inputs] and zero around them, and returns it. Where there is nothing
// around them, framed may be nil, and the images are returned.
func (f *Filters[F]) PutInputs(framed, images []F, n int) []F {
	if framed == nil && f.inputs.empty() {
		return images
	}
	put(&f.inputs, framed, images, n)
	return framed
}

// PutOutputs copies n images of gradients to framed, which is [n, Outputs], is zero around them and has Slack numbers more,
// and returns it. Where there is nothing around them and the channels are a multiple of 8, framed may be nil, and the images
// are returned.
func (f *Filters[F]) PutOutputs(framed, images []F, n int) []F {
	if framed == nil && f.outputs.empty() && f.out == roundUp(f.out) {
		return images
	}
	put(&f.outputs, framed, images, n)
	return framed
}

// Forward computes the outputs of n examples, where relu says with negative results replaced by +0 (NaN and -0 stay): x is
// [n, Inputs], y is [n, OutHeight, OutWidth, out] and has Slack numbers more, which are overwritten.
func (f *Filters[F]) Forward(y, x []F, n int, relu bool) {
	w := &f.window
	line := w.OutWidth * f.out
	if n < 1 || len(y) != n*w.OutHeight*line+Slack || len(x) < n*f.Inputs() {
		panic("kernel: convolution with unfitting lengths")
	}
	q := &f.product
	*q = product[F]{rowA: w.Stride * w.Channels, termA: 1, terms: w.Kernel * w.Channels, rows: w.OutWidth, rowC: f.out, mode: modeBias}
	if relu {
		q.mode = modeReLU
	}
	for i := range n {
		// From the last panel to the first: see Weights.Forward.
		for p := f.Panels() - 1; p >= 0; p-- {
			panel, width := f.panel(f.data, p), f.width(p)
			q.b, q.rowB, q.lanes, q.extra = panel, width, width, f.bias(panel)
			q.spans = spans{w.Kernel, f.inputs.line(), q.terms * width}
			for row := range w.OutHeight {
				q.a, q.c = x[i*f.Inputs()+row*w.Stride*f.inputs.line():], y[(i*w.OutHeight+row)*line+p*panelWidth:]
				q.run()
			}
		}
	}
}

// Update does a step of SGD with the gradient over n examples: x is [n, Inputs], dy is what PutOutputs returned. v are the
// velocities, nil without momentum.
func (f *Filters[F]) Update(v *Filters[F], x, dy []F, n int, sgd *SGD[F]) {
	g := gradient[F]{f: f, x: x, dy: dy, n: n, sums: f.scratch[:len(f.data)], sgd: sgd}
	if sgd.Momentum != 0 {
		g.velocity = v.data
	}
	g.compute()
}

// Gradient computes the gradient over n examples, for Piece to hand it over before any other call; x and dy are those of
// Update.
func (f *Filters[F]) Gradient(x, dy []F, n int) {
	g := gradient[F]{f: f, x: x, dy: dy, n: n, sums: f.scratch[:len(f.data)]}
	g.compute()
}

// Piece returns a part of the gradient that Gradient has computed, p of Panels: that of the weights of some outputs from
// first on, which is [count, Channels, Kernel, Kernel], and of their biases, of no meaning where there are none.
func (f *Filters[F]) Piece(p int) (first int, rows, bias []F) {
	panel, room := f.panel(f.scratch[:len(f.data)], p), f.scratch[len(f.data):]
	rows = room[panelWidth*f.terms:][:f.count(p)*f.terms]
	f.unload(rows, panel, p, room)
	return p * panelWidth, rows, f.bias(panel)[:f.count(p)]
}

// gradient is that of filters over n examples. Every sum goes over the examples and their positions in order. It is
// interrupted after at most sumAtOnce positions, so that one example after the other is read from a near cache, and goes on
// from what is in sums.
type gradient[F Float] struct {
	f        *Filters[F]
	x, dy    []F
	n        int
	sums     []F // ordered like the filters
	sgd      *SGD[F]
	velocity []F
}

// sumAtOnce bounds the positions of one call of assembly; see maxProducts.
const sumAtOnce = 1 << 15

func (g *gradient[F]) compute() {
	f := g.f
	w := &f.window
	if g.n < 1 || len(g.x) < g.n*f.Inputs() || len(g.dy) < g.n*f.Outputs() {
		panic("kernel: gradient of filters with unfitting lengths")
	}
	atOnce := max(1, sumAtOnce/w.OutWidth)
	for i := range g.n {
		for from := 0; from < w.OutHeight; from += atOnce {
			for p := range f.Panels() {
				g.add(p, i, from, min(atOnce, w.OutHeight-from))
			}
		}
	}
}

// add adds to panel p what example i has from output row `from` on.
func (g *gradient[F]) add(p, i, from, count int) {
	f := g.f
	w, width := &f.window, f.width(p)
	q := &f.product
	*q = product[F]{
		a: g.x[i*f.Inputs()+from*w.Stride*f.inputs.line():], rowA: 1, termA: w.Stride * w.Channels, rows: w.Kernel * w.Channels,
		b: g.dy[i*f.Outputs()+f.outputs.corner()+from*f.outputs.line()+p*panelWidth:], rowB: f.out, lanes: width,
		terms: w.OutWidth, spans: spans{count, w.Stride * f.inputs.line(), f.outputs.line()},
		rowC: width, mode: modeStore,
	}
	sums := f.panel(g.sums, p)
	c, velocity := sums, []F(nil)
	if i == g.n-1 && from+count == w.OutHeight && g.sgd != nil {
		c, q.sgd, q.mode = f.panel(f.data, p), *g.sgd, g.sgd.mode()
		if q.mode >= modeMomentum {
			velocity, q.rowExtra = f.panel(g.velocity, p), width
		}
	}
	run := func(row int) {
		q.c = c[row*width:]
		if i > 0 || from > 0 {
			q.from = sums[row*width:]
		}
		if velocity != nil {
			q.extra = velocity[row*width:]
		}
		q.run()
	}
	image := q.a
	for k := range w.Kernel {
		q.a = image[k*f.inputs.line():]
		run(k * q.rows)
	}
	if f.biased {
		q.a, q.rowA, q.termA, q.spans.a, q.rows = f.ones, 0, 0, 0, 1
		run(f.terms)
	}
}
