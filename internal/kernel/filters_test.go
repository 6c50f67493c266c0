package kernel

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// convolution is a random one with a batch and a gradient. Images are channels last, weights as in a block.
type convolution[F Float] struct {
	Window
	n, out                     int
	x, w, bias, dy             []F
	velocity, velocityOfBiases []F
	sgd                        SGD[F]
}

// drawWindow draws a kernel that fits its image, every size down to 1, strides beyond the kernel and padding beyond it too.
func drawWindow(t *rapid.T) Window {
	draw := func(from, to int, name string) int { return rapid.IntRange(from, to).Draw(t, name) }
	w := Window{
		Channels: rapid.SampledFrom([]int{1, 1, 2, 3, 5, 8, 11, 35}).Draw(t, "channels"),
		Height:   draw(1, 6, "height"), Width: draw(1, 16, "width"),
		Kernel: draw(1, 5, "kernel"), Stride: draw(1, 4, "stride"), Padding: draw(0, 5, "padding"),
	}
	for w.Kernel > min(w.Height, w.Width)+2*w.Padding {
		w.Padding++
	}
	w.OutHeight = (w.Height+2*w.Padding-w.Kernel)/w.Stride + 1
	w.OutWidth = (w.Width+2*w.Padding-w.Kernel)/w.Stride + 1
	return w
}

func drawConvolution[F Float](t *rapid.T) *convolution[F] {
	c := &convolution[F]{Window: drawWindow(t), n: rapid.IntRange(1, 3).Draw(t, "n")}
	c.out = rapid.SampledFrom([]int{1, 3, 8, 10, 19, 37}).Draw(t, "out")
	weights := c.out * c.Channels * c.Kernel * c.Kernel
	c.x, c.dy = drawNumbers[F](t, "x", c.n*c.Height*c.Width*c.Channels), drawNumbers[F](t, "dy", c.n*c.OutHeight*c.OutWidth*c.out)
	c.w, c.bias = drawNumbers[F](t, "w", weights), drawNumbers[F](t, "bias", c.out)
	c.velocity, c.velocityOfBiases = drawNumbers[F](t, "velocity", weights), drawNumbers[F](t, "velocity of biases", c.out)
	draw := func(name string) float64 {
		return rapid.SampledFrom([]float64{0, 0.9, 0.05, 1e-7}).Draw(t, name)
	}
	c.sgd = NewSGD[F](draw("lr"), draw("decay"), draw("momentum"), rapid.Bool().Draw(t, "nesterov"))
	return c
}

// weight returns where the weight of an output for a place of the kernel and a channel is.
func (c *convolution[F]) weight(out, ky, kx, channel int) int {
	return ((out*c.Channels+channel)*c.Kernel+ky)*c.Kernel + kx
}

// pixel returns a number of the input, 0 outside.
func (c *convolution[F]) pixel(i, y, x, channel int) F {
	if y < 0 || y >= c.Height || x < 0 || x >= c.Width {
		return 0
	}
	return c.x[((i*c.Height+y)*c.Width+x)*c.Channels+channel]
}

// forEach calls run for all indices below the bounds, the last one the fastest.
func forEach(bounds [4]int, run func(i [4]int)) {
	for a := range bounds[0] {
		for b := range bounds[1] {
			for c := range bounds[2] {
				for d := range bounds[3] {
					run([4]int{a, b, c, d})
				}
			}
		}
	}
}

func (c *convolution[F]) outputs(relu bool) (y []F) {
	forEach([4]int{c.n, c.OutHeight, c.OutWidth, c.out}, func(i [4]int) {
		var s F
		forEach([4]int{1, c.Kernel, c.Kernel, c.Channels}, func(k [4]int) {
			s = fma(c.pixel(i[0], i[1]*c.Stride+k[1]-c.Padding, i[2]*c.Stride+k[2]-c.Padding, k[3]), c.w[c.weight(i[3], k[1], k[2], k[3])], s)
		})
		s += c.bias[i[3]]
		if relu && s < 0 {
			s = 0
		}
		y = append(y, s)
	})
	return y
}

// inputGradient sums for each pixel over the outputs that it had part in, in their order, by channel the fastest.
func (c *convolution[F]) inputGradient() (dx []F) {
	forEach([4]int{c.n, c.Height, c.Width, c.Channels}, func(i [4]int) {
		var s F
		forEach([4]int{1, c.OutHeight, c.OutWidth, c.out}, func(o [4]int) {
			ky, kx := i[1]+c.Padding-o[1]*c.Stride, i[2]+c.Padding-o[2]*c.Stride
			if ky >= 0 && ky < c.Kernel && kx >= 0 && kx < c.Kernel {
				d := c.dy[((i[0]*c.OutHeight+o[1])*c.OutWidth+o[2])*c.out+o[3]]
				s = fma(d, c.w[c.weight(o[3], ky, kx, i[3])], s)
			}
		})
		dx = append(dx, s)
	})
	return dx
}

func (c *convolution[F]) gradients() (dw, db []F) {
	dw, db = make([]F, len(c.w)), make([]F, c.out)
	forEach([4]int{c.n, c.OutHeight, c.OutWidth, c.out}, func(i [4]int) {
		d := c.dy[((i[0]*c.OutHeight+i[1])*c.OutWidth+i[2])*c.out+i[3]]
		db[i[3]] = fma(1, d, db[i[3]])
		forEach([4]int{1, c.Kernel, c.Kernel, c.Channels}, func(k [4]int) {
			at := c.weight(i[3], k[1], k[2], k[3])
			dw[at] = fma(c.pixel(i[0], i[1]*c.Stride+k[1]-c.Padding, i[2]*c.Stride+k[2]-c.Padding, k[3]), d, dw[at])
		})
	})
	return dw, db
}

// expected is what the naive loops give.
type expected[F Float] struct {
	y, positive, dx, dw, db []F
	w, bias, velocity, velb []F // after the step
}

func (c *convolution[F]) naive() *expected[F] {
	e := &expected[F]{y: c.outputs(false), positive: c.outputs(true), dx: c.inputGradient()}
	e.dw, e.db = c.gradients()
	e.w, e.bias, e.velocity, e.velb = slices.Clone(c.w), slices.Clone(c.bias), slices.Clone(c.velocity), slices.Clone(c.velocityOfBiases)
	c.sgd.Apply(e.w, e.velocity, e.dw)
	c.sgd.Apply(e.bias, e.velb, e.db)
	return e
}

// check compares everything that Filters compute with the naive loops.
func (c *convolution[F]) check(t *rapid.T, e *expected[F]) {
	f := NewFilters[F](c.Window, c.out, true, true)
	f.Load(c.w, c.bias)
	x := f.PutInputs(make([]F, c.n*f.Inputs()), c.x, c.n)
	y := make([]F, len(c.dy)+Slack)
	f.Forward(y, x, c.n, false)
	sameBits(t, "y", y, e.y)
	f.Forward(y, x, c.n, true)
	sameBits(t, "positive y", y, e.positive)

	dy := f.PutOutputs(make([]F, c.n*f.Outputs()+Slack), c.dy, c.n)
	dx := make([]F, len(c.x)+Slack)
	f.InputGradient(dx, dy, c.n)
	sameZeros(t, "dx", dx, e.dx)

	f.Gradient(x, dy, c.n)
	for p := range f.Panels() {
		first, rows, bias := f.Piece(p)
		sameBits(t, "gradient", rows, e.dw[first*len(c.w)/c.out:][:len(rows)])
		sameBits(t, "gradient of biases", bias, e.db[first:][:len(bias)])
	}
	c.checkUpdate(t, f, x, dy, e)
}

// sameZeros compares bit for bit but for the signs of zeros: those around the outputs are terms too.
func sameZeros[F Float](t *rapid.T, what string, got, want []F) {
	for i := range want {
		if got[i] == 0 && want[i] == 0 {
			got[i], want[i] = 0, 0
		}
	}
	sameBits(t, what, got, want)
}

func (c *convolution[F]) checkUpdate(t *rapid.T, f *Filters[F], x, dy []F, e *expected[F]) {
	v := f.Like()
	v.Load(c.velocity, c.velocityOfBiases)
	f.Update(v, x, dy, c.n, &c.sgd)
	w, bias := make([]F, len(c.w)), make([]F, c.out)
	f.Save(w, bias)
	sameBits(t, "weights", w, e.w)
	sameBits(t, "biases", bias, e.bias)
	v.Save(w, bias)
	sameBits(t, "velocities", w, e.velocity)
	sameBits(t, "velocities of biases", bias, e.velb)
}

func checkConvolution[F Float](t *rapid.T) {
	c := drawConvolution[F](t)
	e := c.naive()
	for _, name := range Available() {
		if err := Use(name); err != nil {
			t.Fatal(err)
		}
		c.check(t, e)
	}
}

func TestConvolutionsEqualNaiveLoopsBitForBit(t *testing.T) {
	before := InUse()
	defer func() { _ = Use(before) }()
	t.Run("float32", rapid.MakeCheck(checkConvolution[float32]))
	t.Run("float64", rapid.MakeCheck(checkConvolution[float64]))
}
