package kernel

// Window is how a square kernel goes over images of several channels, or a pool over each of them. Images are channels
// last: the numbers of a position lie side by side, positions row by row.
type Window struct {
	Channels, Height, Width int // of the input
	Kernel, Stride, Padding int
	OutHeight, OutWidth     int
}

// frame is a border of zeros around images.
type frame struct {
	channels, height, width  int // of the image
	top, bottom, left, right int
}

func (f *frame) empty() bool { return f.top|f.bottom|f.left|f.right == 0 }

// line returns the numbers of a row of the framed image.
func (f *frame) line() int { return (f.left + f.width + f.right) * f.channels }

// size returns the numbers of a framed image.
func (f *frame) size() int { return (f.top + f.height + f.bottom) * f.line() }

// corner returns where the image begins.
func (f *frame) corner() int { return f.top*f.line() + f.left*f.channels }

// put copies n images into frames. The borders are not written.
func put[F Float](f *frame, framed, images []F, n int) {
	width := f.width * f.channels
	for i := range n {
		to := framed[i*f.size()+f.corner():]
		for y := range f.height {
			copy(to[y*f.line():], images[(i*f.height+y)*width:][:width])
		}
	}
}

// phase is a part of the gradient with respect to the inputs along one axis: pixels that are the stride apart were seen
// through the same places of the kernel, which are the stride apart too. Their gradient is a convolution of stride 1.
type phase struct {
	pixel, pixels int // the first one, and how many
	place, places int // likewise; there may be none
	from          int // the output that the first pixel had part in through the last place
}

// phases returns the phases along an axis of so many pixels, those that have any pixels.
func (w *Window) phases(pixels int) []phase {
	var all []phase
	for r := range min(w.Stride, pixels) {
		place := (r + w.Padding) % w.Stride
		p := phase{pixel: r, pixels: (pixels - r + w.Stride - 1) / w.Stride, place: place}
		p.places = max(0, (w.Kernel-place+w.Stride-1)/w.Stride)
		p.from = (r+w.Padding-place)/w.Stride - (p.places - 1)
		all = append(all, p)
	}
	return all
}

// margins returns by how much the phases reach beyond outputs 0..out-1.
func margins(phases []phase, out int) (before, after int) {
	for _, p := range phases {
		if p.places > 0 {
			before = max(before, -p.from)
			after = max(after, p.from+p.pixels+p.places-1-out)
		}
	}
	return before, after
}
