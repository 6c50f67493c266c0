package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveColumns is the matrix of columns by its definition, and where each element lies in the image, -1 outside.
func naiveColumns(c *Columns) (from []int) {
	for k := range c.Rows() {
		channel, ky, kx := k/(c.Kernel*c.Kernel), k/c.Kernel%c.Kernel, k%c.Kernel
		for p := range c.Positions() {
			y, x := p/c.OutWidth*c.Stride+ky-c.Padding, p%c.OutWidth*c.Stride+kx-c.Padding
			if y < 0 || y >= c.Height || x < 0 || x >= c.Width {
				from = append(from, -1)
			} else {
				from = append(from, (channel*c.Height+y)*c.Width+x)
			}
		}
	}
	return from
}

// anyColumns draws a kernel that fits its image, every size down to 1, strides beyond the kernel and padding beyond it too.
func anyColumns(r *rand.Rand) *Columns {
	c := &Columns{
		Channels: 1 + r.IntN(3), Height: 1 + r.IntN(7), Width: 1 + r.IntN(7),
		Kernel: 1 + r.IntN(4), Stride: 1 + r.IntN(5), Padding: r.IntN(6),
	}
	for c.Kernel > min(c.Height, c.Width)+2*c.Padding {
		c.Padding++
	}
	c.OutHeight = (c.Height+2*c.Padding-c.Kernel)/c.Stride + 1
	c.OutWidth = (c.Width+2*c.Padding-c.Kernel)/c.Stride + 1
	return c
}

func drawn(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// Every element is one sum in a fixed order: the kernels have the bits of the naive loops.
func TestColumnsEqualNaiveLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		c := anyColumns(r)
		rows, positions, out := c.Rows(), c.Positions(), 1+r.IntN(6)
		from := naiveColumns(c)
		image := drawn(r, c.Channels*c.Height*c.Width)
		w, dy := drawn(r, out*rows), drawn(r, out*positions)

		col := drawn(r, rows*positions)
		Gather(c, col, image)
		for i, f := range from {
			if want := float32(0); f >= 0 && col[i] != image[f] || f < 0 && col[i] != want {
				t.Fatalf("%+v: column element %d", c, i)
			}
		}
		y, wantY := drawn(r, out*positions), make([]float32, out*positions)
		MulColumns(y, w, col, rows, positions)
		dw := drawn(r, out*rows)
		wantDW := slices.Clone(dw)
		AddProducts(dw, dy, col, rows, positions)
		dcol, wantDCol := drawn(r, rows*positions), make([]float32, rows*positions)
		MulTransposed(dcol, w, dy, rows, positions)
		for o := range out {
			for k := range rows {
				for p := range positions {
					wantY[o*positions+p] += float32(w[o*rows+k] * col[k*positions+p])
					wantDW[o*rows+k] += float32(dy[o*positions+p] * col[k*positions+p])
					wantDCol[k*positions+p] += float32(w[o*rows+k] * dy[o*positions+p])
				}
			}
		}
		dx, wantDX := drawn(r, len(image)), make([]float32, len(image))
		Scatter(c, dx, dcol)
		for i, f := range from {
			if f >= 0 {
				wantDX[f] += dcol[i]
			}
		}
		for name, pair := range map[string][2][]float32{
			"product": {y, wantY}, "weight gradient": {dw, wantDW}, "columns' gradient": {dcol, wantDCol}, "input gradient": {dx, wantDX},
		} {
			if !slices.EqualFunc(pair[0], pair[1], func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
				t.Fatalf("%+v, %d outputs: the %s differs", c, out, name)
			}
		}
	}
}
