package kernel

// Columns is how a square kernel goes over an image of several channels: element (k, p) of the matrix of columns is what
// lies under number k of the kernel, counted channel by channel and row by row, when the kernel is at position p, counted
// row by row. A convolution is then a product with its weights, [out, channels*kernel*kernel], and its output has the
// order of images.
type Columns struct {
	Channels, Height, Width int
	Kernel, Stride, Padding int
	OutHeight, OutWidth     int
}

// Rows returns the number of rows of the matrix of columns.
func (c *Columns) Rows() int { return c.Channels * c.Kernel * c.Kernel }

// Positions returns the length of a row.
func (c *Columns) Positions() int { return c.OutHeight * c.OutWidth }

// span returns the outputs from..to-1 of n for which input o*stride+k-padding lies within size.
func (c *Columns) span(k, n, size int) (from, to int) {
	from = max(0, (c.Padding-k+c.Stride-1)/c.Stride)
	to = min(n, (size-1+c.Padding-k+c.Stride)/c.Stride)
	return from, max(from, to)
}

// Gather writes the matrix of columns of an image to col, zeros where the kernel is outside.
func Gather[F Float](c *Columns, col, image []F) {
	clear(col)
	each(c, func(at, pixel, n int) {
		if c.Stride == 1 {
			copy(col[at:at+n], image[pixel:])
			return
		}
		for i := range n {
			col[at+i] = image[pixel+i*c.Stride]
		}
	})
}

// Scatter adds the elements of col to the pixels that they were gathered from, row after row of the matrix.
func Scatter[F Float](c *Columns, image, col []F) {
	clear(image)
	each(c, func(at, pixel, n int) {
		for i, v := range col[at : at+n] {
			image[pixel+i*c.Stride] += v
		}
	})
}

// each calls run for every piece of a row of the matrix that lies within one row of the image: n elements from at on are
// the pixels from pixel on, stride apart.
func each(c *Columns, run func(at, pixel, n int)) {
	k2 := c.Kernel * c.Kernel
	for k := range c.Rows() {
		ky, kx := k%k2/c.Kernel, k%c.Kernel
		top, bottom := c.span(ky, c.OutHeight, c.Height)
		left, right := c.span(kx, c.OutWidth, c.Width)
		if left == right {
			continue
		}
		for oy := top; oy < bottom; oy++ {
			y, x := oy*c.Stride+ky-c.Padding, left*c.Stride+kx-c.Padding
			run((k*c.OutHeight+oy)*c.OutWidth+left, (k/k2*c.Height+y)*c.Width+x, right-left)
		}
	}
}

// MulColumns computes y = w col for w [out, rows] and col [rows, positions]; each element sums over rows in ascending order.
func MulColumns[F Float](y, w, col []F, rows, positions int) {
	for len(y) > 0 {
		sumRows(y[:positions], w[:rows], 1, col)
		y, w = y[positions:], w[rows:]
	}
}

// MulTransposed computes col = w^T dy for w [out, rows] and dy [out, positions]; each element sums over outputs in order.
func MulTransposed[F Float](col, w, dy []F, rows, positions int) {
	for k := range rows {
		sumRows(col[k*positions:(k+1)*positions], w[k:], rows, dy)
	}
}

// sumRows computes y = sum over rows r of x of w[r*step] times row r, in the order of the rows.
func sumRows[F Float](y, w []F, step int, x []F) {
	clear(y)
	n := len(y)
	r, rows := 0, len(x)/n
	for ; r+4 <= rows; r += 4 {
		c := [4]F{w[r*step], w[(r+1)*step], w[(r+2)*step], w[(r+3)*step]}
		sumFour(y, &c, x[r*n:(r+4)*n])
	}
	for ; r < rows; r++ {
		sumOne(y, w[r*step], x[r*n:(r+1)*n])
	}
}

//go:noinline
func sumFour[F Float](y []F, c *[4]F, x []F) {
	n := len(y)
	c0, c1, c2, c3 := c[0], c[1], c[2], c[3]
	r0, r1, r2, r3 := x[:n], x[n:][:n], x[2*n:][:n], x[3*n:][:n]
	for i, a := range y {
		a += F(c0 * r0[i])
		a += F(c1 * r1[i])
		a += F(c2 * r2[i])
		a += F(c3 * r3[i])
		y[i] = a
	}
}

//go:noinline
func sumOne[F Float](y []F, c F, x []F) {
	x = x[:len(y)]
	for i, v := range x {
		y[i] += F(c * v)
	}
}

// AddProducts adds dy col^T to dw [out, rows]: each element goes on with its sum over the positions in ascending order.
func AddProducts[F Float](dw, dy, col []F, rows, positions int) {
	for len(dy) > 0 {
		d := dy[:positions]
		k := 0
		for ; k+4 <= rows; k += 4 {
			dotFour((*[4]F)(dw[k:]), d, col[k*positions:(k+4)*positions])
		}
		for ; k < rows; k++ {
			dw[k] = dotOn(dw[k], d, col[k*positions:(k+1)*positions])
		}
		dy, dw = dy[positions:], dw[rows:]
	}
}

//go:noinline
func dotFour[F Float](sum *[4]F, d, col []F) {
	n := len(d)
	r0, r1, r2, r3 := col[:n], col[n:][:n], col[2*n:][:n], col[3*n:][:n]
	a0, a1, a2, a3 := sum[0], sum[1], sum[2], sum[3]
	for i, v := range d {
		a0 += F(v * r0[i])
		a1 += F(v * r1[i])
		a2 += F(v * r2[i])
		a3 += F(v * r3[i])
	}
	*sum = [4]F{a0, a1, a2, a3}
}

func dotOn[F Float](a F, d, row []F) F {
	row = row[:len(d)]
	for i, v := range d {
		a += F(v * row[i])
	}
	return a
}
