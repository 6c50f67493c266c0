package kernel

// Backward is the backward pass of a linear layer for N examples: what it takes and what it gives.
type Backward[F Float] struct {
	N  int
	DY []F // [N, OutputWidth], with zeros in the surplus

	// DX gets dY W, the gradient with respect to the inputs: it is [N, in] and has Slack numbers more, which are
	// overwritten. With a mask, which is as long, it is +0 where the mask is 0 or below: the gradient before a ReLU that
	// gave the mask. nil: it is not wanted.
	DX, Mask []F

	// SGD is the step that is done with the gradient dY^T X, where X is [N, InputWidth] and Velocity has the velocities,
	// nil without momentum. DX is that of the weights before the step. nil: none is done.
	SGD      *SGD[F]
	X        []F
	Velocity *Weights[F]
}

// turnedFrom is the least number of examples with which an input gradient has its vectors run over examples: the
// gradient of the outputs is transposed for that, and what comes out is transposed back. With fewer they run over inputs,
// for which the weights are transposed.
const turnedFrom = 8

const (
	turnedAtOnce = 4 * panelWidth // examples whose input gradient is finished before the next ones' begins
	panelsAtOnce = 4              // whose products are summed before the sums are put away
	turnedRoom   = 1 << 15        // about how many numbers of it are in work: they stay in the second cache
	partsEach    = 2              // for each member, lest all wait for one that came late
)

// inputs are inputs first..end-1 of a layer.
type inputs struct{ first, end int }

func (i inputs) count() int { return i.end - i.first }

// backpass is a backward pass in parts: some inputs each, with all that belongs to them, the input gradient and the step of
// their weights, panel after panel while it is near. So no sum is split, and the step comes after whoever needs the
// weights as they were.
type backpass[F Float] struct {
	Backward[F]
	w     *Weights[F]
	size  int // inputs of a part; the last one may have fewer
	parts int
}

// Backward does a backward pass.
func (w *Weights[F]) Backward(b *Backward[F]) {
	w.checkBackward(b)
	s := &w.backward
	*s = backpass[F]{Backward: *b, w: w}
	team := w.helpers(b.N)
	if s.turns() {
		s.turnDY()
	} else if s.DX != nil && w.in%lanes != 0 {
		team = nil // parts must come in order: see inputGradient
	}
	s.split(team.Size())
	w.call.Do(team, s, s.parts)
}

func (w *Weights[F]) checkBackward(b *Backward[F]) {
	if b.N > w.most {
		panic("kernel: backward pass of more examples than were prepared for")
	}
	if b.DX != nil {
		w.checkBatch(b.N, b.DX, b.DY, w.in, w.OutputWidth())
		if b.Mask != nil && len(b.Mask) != len(b.DX) {
			panic("kernel: mask with an unfitting length")
		}
	}
	if b.SGD != nil {
		w.checkGradient(b.X, b.DY, b.N)
	}
}

// split makes parts for so many members.
func (s *backpass[F]) split(members int) {
	in := s.w.in
	parts := (in*multiple(min(s.N, turnedAtOnce), panelWidth)-1)/turnedRoom + 1
	if members > 1 {
		parts = max(parts, partsEach*members)
	}
	s.size = multiple((in-1)/parts+1, lanes)
	s.parts = (in-1)/s.size + 1
}

// turns tells whether the input gradient's vectors run over examples.
func (s *backpass[F]) turns() bool { return s.DX != nil && s.N >= turnedFrom }

// turnDY fills w.turned with the transposed of DY: for each 32 examples a matrix of a row for each output.
func (s *backpass[F]) turnDY() {
	w := s.w
	for e := 0; e < s.N; e += panelWidth {
		from := matrix[F]{x: s.DY[e*w.OutputWidth():], row: w.OutputWidth()}
		transpose(matrix[F]{x: w.turned[e*w.out:], row: panelWidth}, from, min(panelWidth, s.N-e), w.out)
	}
}

// Part computes part i with the scratch memory of a member. The last inputs come first: see inputGradient.
func (s *backpass[F]) Part(i, member int) {
	first := (s.parts - 1 - i) * s.size
	in, room := inputs{first, min(first+s.size, s.w.in)}, &s.w.rooms[member]
	switch {
	case s.turns():
		s.turnedGradient(room, in)
		return
	case s.DX != nil:
		s.inputGradient(room, in)
	}
	s.updates(room, 0, s.w.panels(), in)
}

// turnedGradient computes the input gradient with its vectors over examples, and updates each panel after its last use.
func (s *backpass[F]) turnedGradient(r *room[F], in inputs) {
	for from := 0; from < s.N; from += turnedAtOnce {
		end := min(from+turnedAtOnce, s.N)
		for p := 0; p < s.w.panels(); {
			group := s.w.group(p)
			for e := from; e < end; e += panelWidth {
				s.addPanels(r, in, p, e)
			}
			if p += group; end == s.N {
				s.updates(r, p-group, p, in)
			}
		}
		for e := from; e < end; e += panelWidth {
			s.turnBack(r, in, e)
		}
	}
}

// transposed returns the room for the input gradient of the examples from e on, a row for each input.
func (r *room[F]) transposed(in inputs, e int) []F { return r.scratch[e%turnedAtOnce*in.count():] }

// group returns how many panels, from panel p on, make one product of an input gradient: they have the same width.
func (w *Weights[F]) group(p int) int {
	if whole := w.out/panelWidth - p; whole > 0 {
		return min(whole, panelsAtOnce)
	}
	return 1
}

// addPanels adds to the input gradient of 32 examples from e on what comes from the outputs of a group of panels.
func (s *backpass[F]) addPanels(r *room[F], in inputs, p, e int) {
	w := s.w
	width := w.width(p)
	q := &r.product
	*q = product[F]{
		a: w.data[p*panelWidth*w.rows+in.first*width:], rowA: width, termA: 1, rows: in.count(), terms: w.outputs(p),
		b: w.turned[e*w.out+p*panelWidth*panelWidth:], rowB: panelWidth, lanes: roundUp(min(panelWidth, s.N-e)),
		spans: spans{w.group(p), panelWidth * w.rows, panelWidth * panelWidth},
		c:     r.transposed(in, e), rowC: panelWidth, mode: modeStore,
	}
	if p > 0 {
		q.from = q.c
	}
	q.run()
}

// turnBack writes the finished input gradient of 32 examples from e on.
func (s *backpass[F]) turnBack(r *room[F], in inputs, e int) {
	at := e*s.w.in + in.first
	to, from := matrix[F]{x: s.DX[at:], row: s.w.in}, matrix[F]{x: r.transposed(in, e), row: panelWidth}
	n := min(panelWidth, s.N-e)
	if s.Mask == nil {
		transpose(to, from, in.count(), n)
		return
	}
	transposeMasked(to, matrix[F]{x: s.Mask[at:]}, from, in.count(), n)
}

// inputGradient computes the input gradient with its vectors over inputs. The last ones come first: their surplus lanes lie
// in the next example's first inputs.
func (s *backpass[F]) inputGradient(r *room[F], in inputs) {
	w, q := s.w, &r.product
	*q = product[F]{
		a: s.DY, rowA: w.OutputWidth(), termA: 1, rows: s.N, terms: w.out, b: r.scratch, rowC: w.in, mode: modeStore,
	}
	for k := in.first + (in.count()-1)/panelWidth*panelWidth; k >= in.first; k -= panelWidth {
		q.lanes = roundUp(min(panelWidth, in.end-k))
		q.rowB = q.lanes
		for p := range w.panels() {
			width := w.width(p)
			from := matrix[F]{x: w.panel(p)[k*width:], row: width, next: panelWidth * w.rows}
			transpose(matrix[F]{x: r.scratch[p*panelWidth*q.lanes:], row: q.lanes}, from, q.lanes, width)
		}
		q.c = s.DX[k:]
		if s.Mask != nil {
			q.mode, q.extra, q.rowExtra = modeMask, s.Mask[k:], w.in
		}
		q.run()
	}
}

// updates does the step, if there is one, of the weights of panels first to end-1 from some inputs.
func (s *backpass[F]) updates(r *room[F], first, end int, in inputs) {
	if s.SGD == nil {
		return
	}
	q := &r.product
	for p := first; p < end; p++ {
		width := s.w.width(p)
		*q = product[F]{c: s.w.panel(p)[in.first*width:], rowC: width, mode: s.SGD.mode(), sgd: *s.SGD}
		if q.mode >= modeMomentum {
			q.extra, q.rowExtra = s.Velocity.panel(p)[in.first*width:], width
		}
		if s.turns() { // these weights have just been read, the next group's come
			q.soon = (end - first) * panelWidth * s.w.rows
		}
		s.gradient(q, p, in)
	}
}

// gradient computes panel p of the gradient with respect to the weights from some inputs, after the last one that with
// respect to the biases, and hands it to c, as the mode says.
func (s *backpass[F]) gradient(q *product[F], p int, in inputs) {
	w := s.w
	q.b, q.rowB, q.lanes, q.terms = s.DY[p*panelWidth:], w.OutputWidth(), w.width(p), s.N
	q.a, q.rowA, q.termA, q.rows = s.X[in.first:], 1, w.InputWidth(), in.count()
	q.run()
	if !w.biased || in.end < w.in {
		return
	}
	q.a, q.rowA, q.termA, q.rows = w.ones, 0, 0, 1
	q.c = q.c[in.count()*q.rowC:]
	if q.extra != nil {
		q.extra = q.extra[in.count()*q.rowExtra:]
	}
	q.run()
}
