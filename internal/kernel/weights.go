package kernel

// sharedFrom is from how many multiply-adds on a team shares a product: 35 microseconds of one core.
const sharedFrom = 1 << 21

// panelWidth is how many outputs a panel has: two of the widest vectors.
const panelWidth = 32

// Weights are the weights and biases of a linear layer as the kernels want them, with the vectors running over outputs:
// panels of 32 outputs (the last one of fewer, rounded up to 8), each a matrix of one row for each input and then one of
// biases, row after row. One goroutine uses it at a time: it is scratch memory too.
type Weights[F Float] struct {
	in, out int
	rows    int // of a panel, rounded up to 8
	biased  bool
	data    []F
	ones    []F // 1: the input that biases have

	forward  forward[F]  // the last one
	backward backpass[F] // the last one
	most     int         // examples that a backward pass may have
	turned   []F         // the gradient of the outputs, transposed
	piece    []F         // of a gradient, and the same transposed
	rooms    []room[F]   // of those who compute
	team     *Team
	call     Call
}

// room is one goroutine's scratch memory.
type room[F Float] struct {
	product product[F]
	scratch []F // weights or a part of the input gradient, transposed
}

// NewWeights returns zeros for a layer from in to out (both at least 1), with biases or without.
func NewWeights[F Float](in, out int, biased bool) *Weights[F] {
	rows := roundUp(in + 1)
	return &Weights[F]{
		in: in, out: out, rows: rows, biased: biased, data: make([]F, rows*roundUp(out)), ones: []F{1}, rooms: make([]room[F], 1),
	}
}

// Prepare makes the scratch memory of backward passes of up to n examples; back says whether they have input gradients.
// It is about 64 in numbers, and with input gradients n out + max(32 out, min(128 in, 2^15) + 2^12) more.
func (w *Weights[F]) Prepare(n int, back bool) {
	w.most = n
	w.piece = make([]F, panelWidth*(w.rows+w.in))
	if !back {
		return
	}
	w.turned = make([]F, multiple(n, panelWidth)*w.out)
	wide := multiple(min(n, turnedAtOnce), panelWidth)
	size := max(panelWidth*roundUp(w.out), min(turnedRoom, w.in*wide)+lanes*wide)
	for i := range w.rooms {
		w.rooms[i].scratch = make([]F, size)
	}
}

// Join lets the members of a team share the products that follow, if they are large. It comes after Prepare.
func (w *Weights[F]) Join(t *Team) {
	w.team = t
	for len(w.rooms) < t.Size() {
		w.rooms = append(w.rooms, room[F]{scratch: make([]F, len(w.rooms[0].scratch))})
	}
}

// helpers returns the team for the products of n examples, nil where they are too small to be shared: waking a member
// takes longer.
func (w *Weights[F]) helpers(n int) *Team {
	if n*w.in*w.out < sharedFrom {
		return nil
	}
	return w.team
}

// Like returns zeros of the same shape.
func (w *Weights[F]) Like() *Weights[F] { return NewWeights[F](w.in, w.out, w.biased) }

// Borrow makes w use the numbers of o, which has the same shape, in place of its own. As long as nobody changes them both
// may be used, each by a goroutine of its own.
func (w *Weights[F]) Borrow(o *Weights[F]) {
	if w.in != o.in || w.out != o.out || w.biased != o.biased {
		panic("kernel: borrowing weights of another shape")
	}
	w.data = o.data
}

// width returns how many outputs panel p has, rounded up.
func (w *Weights[F]) width(p int) int { return min(panelWidth, roundUp(w.out)-p*panelWidth) }

// outputs returns how many outputs panel p has.
func (w *Weights[F]) outputs(p int) int { return min(panelWidth, w.out-p*panelWidth) }

func (w *Weights[F]) panels() int { return (w.out + panelWidth - 1) / panelWidth }

func (w *Weights[F]) panel(p int) []F { return w.data[p*panelWidth*w.rows:][:w.rows*w.width(p)] }

func (w *Weights[F]) matrix(p int) matrix[F] { return matrix[F]{x: w.panel(p), row: w.width(p)} }

// rowsOf returns the rows of weight, which is [out, in], that are in panel p.
func (w *Weights[F]) rowsOf(weight []F, p int) matrix[F] {
	return matrix[F]{x: weight[p*panelWidth*w.in:], row: w.in}
}

// bias returns the row of biases of panel p.
func (w *Weights[F]) bias(p int) []F {
	width := w.width(p)
	return w.panel(p)[w.in*width:][:width]
}

// Load takes weights [out, in] and biases, out of them or nil where there are none.
func (w *Weights[F]) Load(weight, bias []F) {
	w.check(weight, bias)
	for p := range w.panels() {
		transpose(w.matrix(p), w.rowsOf(weight, p), w.outputs(p), w.in)
		if bias != nil {
			copy(w.bias(p), bias[p*panelWidth:][:w.outputs(p)])
		}
	}
}

// Save is the inverse of Load.
func (w *Weights[F]) Save(weight, bias []F) {
	w.check(weight, bias)
	for p := range w.panels() {
		transpose(w.rowsOf(weight, p), w.matrix(p), w.in, w.outputs(p))
		if bias != nil {
			copy(bias[p*panelWidth:][:w.outputs(p)], w.bias(p))
		}
	}
}

// Clear sets everything to zero.
func (w *Weights[F]) Clear() { clear(w.data) }

func (w *Weights[F]) check(weight, bias []F) {
	if len(weight) != w.in*w.out || w.biased && len(bias) != w.out || !w.biased && bias != nil {
		panic("kernel: weights of another shape")
	}
}
