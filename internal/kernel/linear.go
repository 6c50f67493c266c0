package kernel

// rowsAtOnce is how many examples go through all panels before the next ones do: inputs that stay in the second cache.
const rowsAtOnce = 96

// forward is a forward product in parts: some examples by a panel of outputs each.
type forward[F Float] struct {
	w      *Weights[F]
	y, x   []F
	n      int
	mode   int
	panels int // those that parts are made of
}

// Forward computes y = x W^T + b for n examples, where relu says with negative results replaced by +0 (NaN and -0 stay):
// x is [n, InputWidth], y is [n, out] and has Slack numbers more, which are overwritten.
func (w *Weights[F]) Forward(y, x []F, n int, relu bool) {
	w.checkBatch(n, y, x, w.out, w.InputWidth())
	f := &w.forward
	*f = forward[F]{w: w, y: y, x: x, n: n, mode: modeBias, panels: w.panels()}
	if relu {
		f.mode = modeReLU
	}
	blocks := (n + rowsAtOnce - 1) / rowsAtOnce
	if w.out%lanes != 0 { // the surplus lanes of a row of the last panel lie in the next row's first one
		f.panels--
		for i := range blocks {
			f.product(0, i, f.panels)
		}
	}
	w.call.Do(w.helpers(n), f, blocks*f.panels)
}

// Part computes part i with the scratch memory of a member.
func (f *forward[F]) Part(i, member int) { f.product(member, i/f.panels, i%f.panels) }

func (f *forward[F]) product(member, block, p int) {
	w, from := f.w, block*rowsAtOnce
	q := &w.rooms[member].product
	*q = product[F]{
		a: f.x[from*w.InputWidth():], rowA: w.InputWidth(), termA: 1, rows: min(rowsAtOnce, f.n-from), terms: w.in,
		b: w.panel(p), rowB: w.width(p), lanes: w.width(p),
		c: f.y[from*w.out+p*panelWidth:], rowC: w.out, extra: w.bias(p), mode: f.mode,
	}
	q.run()
}

func (w *Weights[F]) checkBatch(n int, result, argument []F, resultWidth, width int) {
	if n < 1 || len(result) != n*resultWidth+Slack || len(argument) < n*width {
		panic("kernel: product with unfitting lengths")
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

// Panels returns for how many p Gradient can be called.
func (w *Weights[F]) Panels() int { return w.panels() }

// Gradient computes a part of the gradient dY^T X, p of Panels: that of the weights of some outputs from first on, which is
// [count, in], and of their biases, of no meaning where there are none; both valid until the next call. x is
// [n, InputWidth], dy is [n, OutputWidth] with zeros in the surplus.
func (w *Weights[F]) Gradient(p int, x, dy []F, n int) (first int, rows, bias []F) {
	w.checkGradient(x, dy, n)
	b := &w.backward
	*b = backpass[F]{w: w, Backward: Backward[F]{N: n, X: x, DY: dy}}
	width, count := w.width(p), w.outputs(p)
	q := &w.rooms[0].product
	*q = product[F]{c: w.piece[:w.rows*width], rowC: width, mode: modeStore}
	b.gradient(q, p, inputs{0, w.in})
	rows = w.piece[w.rows*width:][:count*w.in]
	transpose(matrix[F]{x: rows, row: w.in}, matrix[F]{x: w.piece, row: width}, w.in, count)
	return p * panelWidth, rows, w.piece[w.in*width:][:count]
}

func (w *Weights[F]) checkGradient(x, dy []F, n int) {
	if n < 1 || len(x) < n*w.InputWidth() || len(dy) < n*w.OutputWidth() {
		panic("kernel: gradient with unfitting lengths")
	}
}
