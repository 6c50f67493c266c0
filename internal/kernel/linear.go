package kernel

// rowsAtOnce is how many examples go through all panels before the next ones do: inputs that stay in the second cache.
const rowsAtOnce = 96

// Forward computes y = x W^T + b for n examples, where relu says with negative results replaced by +0 (NaN and -0 stay):
// x is [n, InputWidth], y is [n, out] and has Slack numbers more, which are overwritten.
func (w *Weights[F]) Forward(y, x []F, n int, relu bool) {
	w.checkBatch(n, y, x, w.out, w.InputWidth())
	q := &w.product
	*q = product[F]{rowA: w.InputWidth(), termA: 1, rowC: w.out, terms: w.in, mode: modeBias}
	if relu {
		q.mode = modeReLU
	}
	for from := 0; from < n; from += rowsAtOnce {
		q.a, q.rows = x[from*q.rowA:], min(rowsAtOnce, n-from)
		// From the last panel to the first: the surplus lanes of a row are overwritten by the next row's first panel.
		for p := w.panels() - 1; p >= 0; p-- {
			q.b, q.rowB, q.lanes, q.extra = w.panel(p), w.width(p), w.width(p), w.bias(p)
			q.c = y[from*w.out+p*panelWidth:]
			q.run()
		}
	}
}

func (w *Weights[F]) checkBatch(n int, result, argument []F, resultWidth, width int) {
	if n < 1 || len(result) != n*resultWidth+Slack || len(argument) < n*width {
		panic("kernel: product with unfitting lengths")
	}
}

// Scratch returns how many numbers InputGradient and Gradient need as scratch memory.
func (w *Weights[F]) Scratch() int { return panelWidth * max(roundUp(w.out), w.rows+w.in) }

// InputGradient computes dx = dy W for n examples: dy is [n, OutputWidth], dx is [n, in] and has Slack numbers more, which are
// overwritten. With a mask, which is [n, in] and has Slack numbers more, dx is +0 where the mask is 0 or below: the
// gradient before a ReLU that gave the mask.
func (w *Weights[F]) InputGradient(dx, dy []F, n int, mask, scratch []F) {
	w.checkBatch(n, dx, dy, w.in, w.OutputWidth())
	q := &w.product
	*q = product[F]{a: dy, rowA: w.OutputWidth(), termA: 1, b: scratch, rowC: w.in, rows: n, terms: w.out, mode: modeStore}
	for k := (w.in - 1) / panelWidth * panelWidth; k >= 0; k -= panelWidth { // last first: see Forward
		q.lanes = min(panelWidth, roundUp(w.in)-k)
		q.rowB = q.lanes
		for p := range w.panels() {
			width := w.width(p)
			from := matrix[F]{x: w.panel(p)[k*width:], row: width, next: panelWidth * w.rows}
			transpose(matrix[F]{x: scratch[p*panelWidth*q.lanes:], row: q.lanes}, from, q.lanes, width)
		}
		q.c = dx[k:]
		if mask != nil {
			q.mode, q.extra, q.rowExtra = modeMask, mask[k:], w.in
		}
		q.run()
	}
}

// InputWidth returns the distance of the rows of x: in, or a little more.
func (w *Weights[F]) InputWidth() int { return apart(w.in) }

// OutputWidth returns the distance of the rows of dy: out rounded up to whole vectors, or a little more.
func (w *Weights[F]) OutputWidth() int { return apart(roundUp(w.out)) }

// apart returns the distance of rows of so many numbers. Those that are a power of two apart would share few places in
// the nearest cache, and drive each other out.
func apart(width int) int {
	if width%256 == 0 {
		return width + 16
	}
	return width
}

// Update does a step of SGD with the gradient dY^T X for n examples: x is [n, InputWidth], dy is [n, OutputWidth] with
// zeros in the surplus. v are the velocities, nil without momentum.
func (w *Weights[F]) Update(v *Weights[F], x, dy []F, n int, sgd *SGD[F]) {
	w.checkGradient(x, dy, n)
	q := &w.product
	*q = product[F]{mode: sgd.mode(), sgd: *sgd}
	for p := range w.panels() {
		width := w.width(p)
		q.c, q.rowC = w.panel(p), width
		if q.mode >= modeMomentum {
			q.extra, q.rowExtra = v.panel(p), width
		}
		w.gradients(p, x, dy, n)
	}
}

// gradients computes the gradient of panel p and hands it to c, as the mode says.
func (w *Weights[F]) gradients(p int, x, dy []F, n int) {
	q := &w.product
	q.b, q.rowB, q.lanes, q.terms = dy[p*panelWidth:], w.OutputWidth(), w.width(p), n
	q.a, q.rowA, q.termA, q.rows = x, 1, w.InputWidth(), w.in
	q.run()
	if !w.biased {
		return
	}
	q.a, q.rowA, q.termA, q.rows = w.ones, 0, 0, 1
	q.c = q.c[w.in*q.rowC:]
	if q.extra != nil {
		q.extra = q.extra[w.in*q.rowExtra:]
	}
	q.run()
}

// Gradient computes a part of the gradient dY^T X, p of Panels, in scratch: that of the weights of some outputs from first on,
// which is [count, in], and of their biases, of no meaning where there are none. Arguments are those of Update.
func (w *Weights[F]) Gradient(p int, x, dy []F, n int, scratch []F) (first int, rows, bias []F) {
	q := &w.product
	width, count := w.width(p), w.outputs(p)
	*q = product[F]{c: scratch[:w.rows*width], rowC: width, mode: modeStore}
	w.gradients(p, x, dy, n)
	rows = scratch[w.rows*width:][:count*w.in]
	transpose(matrix[F]{x: rows, row: w.in}, matrix[F]{x: scratch, row: width}, w.in, count)
	return p * panelWidth, rows, scratch[w.in*width:][:count]
}

// Panels returns for how many p Gradient can be called.
func (w *Weights[F]) Panels() int { return w.panels() }

func (w *Weights[F]) checkGradient(x, dy []F, n int) {
	if n < 1 || len(x) < n*w.InputWidth() || len(dy) < n*w.OutputWidth() {
		panic("kernel: gradient with unfitting lengths")
	}
}
