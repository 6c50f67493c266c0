package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveRows says by the definition where each element of the rows lies in the image, -1 outside.
func naiveRows(c *Columns) (from []int) {
	for p := range c.Positions() {
		for k := range c.Row {
			if k >= c.Inputs() {
				from = append(from, -1)
				continue
			}
			channel, ky, kx := k/(c.Kernel*c.Kernel), k/c.Kernel%c.Kernel, k%c.Kernel
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
	c.Row = c.Inputs() + r.IntN(2)*r.IntN(9)
	return c
}

func drawn(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// Gathering copies, scattering sums in the order of the positions: both have the bits of the naive loops.
func TestColumnsEqualNaiveLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		c := anyColumns(r)
		from := naiveRows(c)
		image := drawn(r, c.Channels*c.Height*c.Width)
		rows, want := drawn(r, len(from)), make([]float32, len(from))
		Gather(c, rows, image)
		for i, f := range from {
			if f >= 0 {
				want[i] = image[f]
			} else if i%c.Row >= c.Inputs() {
				rows[i] = 0
			}
		}
		sameImage(t, c, "rows", rows, want)
		rows = drawn(r, len(from))
		got, want := drawn(r, len(image)), make([]float32, len(image))
		Scatter(c, got, rows)
		for i, f := range from {
			if f >= 0 {
				want[f] += rows[i]
			}
		}
		sameImage(t, c, "image", got, want)
	}
}

func sameImage(t *testing.T, c *Columns, name string, got, want []float32) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
		t.Fatalf("%+v: the %s\n%v, want\n%v", c, name, got, want)
	}
}

func TestTranspose(t *testing.T) {
	y := make([]float32, 12)
	Transpose(y, []float32{1, 2, 3, 4, 5, 6}, 2, 3, 4)
	if want := []float32{1, 4, 0, 0, 2, 5, 0, 0, 3, 6, 0, 0}; !slices.Equal(y, want) {
		t.Errorf("got %v, want %v", y, want)
	}
}
