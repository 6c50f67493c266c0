package kernel

// Columns is how a square kernel goes over an image of several channels. A convolution is a linear layer over positions:
// the row of position p, counted row by row, has what lies under the kernel there, channel by channel and row by row. Its
// results, one row of channels a position, are the transpose of an image.
type Columns struct {
	Channels, Height, Width int
	Kernel, Stride, Padding int
	OutHeight, OutWidth     int
	Row                     int // distance of the rows, at least Inputs
}

// Inputs returns the length of a position's row.
func (c *Columns) Inputs() int { return c.Channels * c.Kernel * c.Kernel }

// Positions returns the number of rows.
func (c *Columns) Positions() int { return c.OutHeight * c.OutWidth }

// Gather writes the rows of an image's positions, zeros where the kernel is outside. What is behind a row may change.
func Gather[F Float](c *Columns, rows, image []F) {
	if c.Padding > 0 {
		clear(rows)
	}
	each(c, func(at, pixel, n int) {
		copy(rows[at:at+n], image[pixel:pixel+n])
	})
}

// Scatter sets image to the sums of what was gathered from each of its pixels, in the order of the positions.
func Scatter[F Float](c *Columns, image, rows []F) {
	clear(image)
	each(c, func(at, pixel, n int) {
		to := image[pixel : pixel+n]
		for i, v := range rows[at : at+n] {
			to[i] += v
		}
	})
}

// each calls run for every piece of a position's row that lies within one row of the image: n elements from at on are the
// pixels from pixel on.
func each(c *Columns, run func(at, pixel, n int)) {
	for p := range c.Positions() {
		top, left := p/c.OutWidth*c.Stride-c.Padding, p%c.OutWidth*c.Stride-c.Padding
		skip, end := max(0, -left), min(c.Kernel, c.Width-left)
		if skip >= end {
			continue
		}
		first, last := max(0, -top), min(c.Kernel, c.Height-top)
		for channel := range c.Channels {
			at := p*c.Row + channel*c.Kernel*c.Kernel + skip
			pixel := (channel*c.Height+top)*c.Width + left + skip
			for y := first; y < last; y++ {
				run(at+y*c.Kernel, pixel+y*c.Width, end-skip)
			}
		}
	}
}

// Transpose writes the transpose of x, which is [rows, cols], to y, whose rows are distance apart.
func Transpose[F Float](y, x []F, rows, cols, distance int) {
	for r := range rows {
		for i, v := range x[r*cols : (r+1)*cols] {
			y[i*distance+r] = v
		}
	}
}
