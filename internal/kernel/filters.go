package kernel

// Filters are the weights and biases of a convolution as the kernels want them: like Weights, panels of 32 output
// channels, each a matrix of one row for each number under the kernel and then one of biases. What is under the kernel is
// ordered by row, column and channel, as images are, so that the terms of a position's sum lie in Kernel spans of the image,
// whose distance is that of its rows. Nothing is gathered: the products read the image where it lies, with zeros around.
//
// One goroutine uses it at a time: it is scratch memory too.
type Filters[F Float] struct {
	window  Window
	out     int
	terms   int // numbers under the kernel
	rows    int // of a panel
	biased  bool
	data    []F
	ones    []F // 1: the input that biases have
	inputs  frame
	outputs frame
	across  []phase // along the width
	down    []phase // along the height
	scratch []F
	product product[F]
}

// NewFilters returns zeros for a convolution to out channels, with biases or without; back says whether InputGradient will
// be called.
func NewFilters[F Float](w Window, out int, biased, back bool) *Filters[F] {
	terms := w.Kernel * w.Kernel * w.Channels
	f := &Filters[F]{
		window: w, out: out, terms: terms, rows: terms + 1, biased: biased,
		data: make([]F, (terms+1)*roundUp(out)), ones: []F{1},
		inputs: frame{w.Channels, w.Height, w.Width, w.Padding, w.Padding, w.Padding, w.Padding},
	}
	f.outputs = frame{channels: out, height: w.OutHeight, width: w.OutWidth}
	if back {
		f.across, f.down = w.phases(w.Width), w.phases(w.Height)
		f.outputs.top, f.outputs.bottom = margins(f.down, w.OutHeight)
		f.outputs.left, f.outputs.right = margins(f.across, w.OutWidth)
	}
	f.scratch = make([]F, f.room())
	return f
}

// Like returns zeros for the same convolution that share the scratch memory of f: only one of them works at a time.
func (f *Filters[F]) Like() *Filters[F] {
	like := *f
	like.data = make([]F, len(f.data))
	return &like
}

// room returns how much scratch memory is needed: for a gradient and what makes a piece of it, or for the turned weights and
// a phase's pixels.
func (f *Filters[F]) room() int {
	w := &f.window
	gradient, turned := len(f.data)+2*panelWidth*f.terms, 0
	for _, down := range f.down {
		for _, across := range f.across {
			pixels := 0
			if w.Stride > 1 {
				pixels = down.pixels * across.pixels
			}
			turned = max(turned, roundUp(w.Channels)*(down.places*across.places*f.out+pixels))
		}
	}
	return max(gradient, turned)
}

// Borrow is that of Weights.
func (f *Filters[F]) Borrow(o *Filters[F]) {
	if f.window != o.window || f.out != o.out || f.biased != o.biased {
		panic("kernel: borrowing filters of another shape")
	}
	f.data = o.data
}

// Clear sets everything to zero.
func (f *Filters[F]) Clear() { clear(f.data) }

// Panels returns for how many p Piece can be called.
func (f *Filters[F]) Panels() int { return (f.out + panelWidth - 1) / panelWidth }

// width returns how many outputs panel p has, rounded up.
func (f *Filters[F]) width(p int) int { return min(panelWidth, roundUp(f.out)-p*panelWidth) }

// count returns how many outputs panel p has.
func (f *Filters[F]) count(p int) int { return min(panelWidth, f.out-p*panelWidth) }

// panel returns panel p of numbers that are ordered like the filters.
func (f *Filters[F]) panel(data []F, p int) []F {
	return data[p*panelWidth*f.rows:][:f.rows*f.width(p)]
}

// bias returns the row of biases of such a panel.
func (f *Filters[F]) bias(panel []F) []F { return panel[f.terms*len(panel)/f.rows:] }

// order copies rows of a panel from the order of weights in a block, by channel, to that of images, or back.
func (f *Filters[F]) order(images, block []F, width int, back bool) {
	channels := f.window.Channels
	places := f.terms / channels
	for c := range channels {
		for k := range places {
			i, b := images[(k*channels+c)*width:][:width], block[(c*places+k)*width:][:width]
			if back {
				copy(b, i)
			} else {
				copy(i, b)
			}
		}
	}
}

// Load takes weights [out, Channels, Kernel, Kernel] and biases, out of them or nil where there are none.
func (f *Filters[F]) Load(weight, bias []F) {
	f.check(weight, bias)
	for p := range f.Panels() {
		panel, width := f.panel(f.data, p), f.width(p)
		from := matrix[F]{x: weight[p*panelWidth*f.terms:], row: f.terms}
		transpose(matrix[F]{x: f.scratch, row: width}, from, f.count(p), f.terms)
		f.order(panel, f.scratch, width, false)
		if bias != nil {
			copy(f.bias(panel), bias[p*panelWidth:][:f.count(p)])
		}
	}
}

// Save is the inverse of Load.
func (f *Filters[F]) Save(weight, bias []F) {
	f.check(weight, bias)
	for p := range f.Panels() {
		panel := f.panel(f.data, p)
		f.unload(weight[p*panelWidth*f.terms:], panel, p, f.scratch)
		if bias != nil {
			copy(bias[p*panelWidth:][:f.count(p)], f.bias(panel))
		}
	}
}

// unload writes what is in panel p to weight, whose rows are those of its outputs.
func (f *Filters[F]) unload(weight, panel []F, p int, scratch []F) {
	width := f.width(p)
	f.order(panel, scratch, width, true)
	transpose(matrix[F]{x: weight, row: f.terms}, matrix[F]{x: scratch, row: width}, f.terms, f.count(p))
}

func (f *Filters[F]) check(weight, bias []F) {
	if len(weight) != f.out*f.terms || f.biased && len(bias) != f.out || !f.biased && bias != nil {
		panic("kernel: filters of another shape")
	}
}
