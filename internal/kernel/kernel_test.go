package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// layer is a random linear layer with a batch and a gradient, with numbers among which are zeros of both signs,
// subnormals and huge ones.
type layer[F Float] struct {
	n, in, out            int
	x, w, bias, dy        []F
	mask, velocity, vbias []F
	sgd                   SGD[F]
}

func drawLayer[F Float](t *rapid.T) layer[F] {
	width := rapid.Custom(func(t *rapid.T) int {
		if rapid.IntRange(0, 15).Draw(t, "wide") == 15 {
			return 256 // whose rows are put farther apart
		}
		return rapid.IntRange(1, 70).Draw(t, "width")
	})
	l := layer[F]{
		n:   rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(1, 200)).Draw(t, "n"),
		in:  width.Draw(t, "in"),
		out: width.Draw(t, "out"),
	}
	l.x, l.w, l.bias = drawNumbers[F](t, "x", l.n*l.in), drawNumbers[F](t, "w", l.out*l.in), drawNumbers[F](t, "bias", l.out)
	l.dy, l.mask = drawNumbers[F](t, "dy", l.n*l.out), drawNumbers[F](t, "mask", l.n*l.in)
	l.velocity, l.vbias = drawNumbers[F](t, "velocity", l.out*l.in), drawNumbers[F](t, "velocity of biases", l.out)
	draw := func(name string) float64 {
		return rapid.SampledFrom([]float64{0, 0.9, 0.05, 1e-7}).Draw(t, name)
	}
	l.sgd = NewSGD[F](draw("lr"), draw("decay"), draw("momentum"), rapid.Bool().Draw(t, "nesterov"))
	return l
}

// drawNumbers draws from a seed: shrinking single numbers of large matrices helps nobody.
func drawNumbers[F Float](t *rapid.T, label string, n int) []F {
	state := rapid.Uint64().Draw(t, label)
	next := func() uint64 {
		state += 0x9e3779b97f4a7c15
		z := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		return z ^ z>>29
	}
	exponents := []int{0, 0, 0, 0, 1, -1, -30, 12, -149, -75, 60}
	x := make([]F, n)
	for i := range x {
		b := next()
		mantissa := float64(int32(b)) / (1 << 31)
		x[i] = F(math.Ldexp(mantissa, exponents[b>>40%uint64(len(exponents))]))
		if b>>60 == 0 {
			x[i] = F(math.Copysign(0, mantissa))
		}
	}
	return x
}

// sum is the definition: one fused multiply-add after the other.
func sum[F Float](terms int, a, b func(k int) F) F {
	var s F
	for k := range terms {
		s = fma(a(k), b(k), s)
	}
	return s
}

// sameBits compares bit for bit, so that +0 and -0 differ; NaN is NaN.
func sameBits[F Float](t *rapid.T, what string, got, want []F) {
	t.Helper()
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		if math.Float64bits(g) != math.Float64bits(w) && !(math.IsNaN(g) && math.IsNaN(w)) {
			t.Fatalf("%s: %s[%d] = %v, the naive loop gives %v", InUse(), what, i, got[i], want[i])
		}
	}
}

func (l *layer[F]) weights() *Weights[F] {
	w := NewWeights[F](l.in, l.out, true)
	w.Prepare(l.n, true)
	w.Load(l.w, l.bias)
	return w
}

// spread returns rows of so many numbers at another distance.
func spread[F Float](rows []F, width, distance int) []F {
	n := len(rows) / width
	wide := make([]F, n*distance)
	for i := range n {
		copy(wide[i*distance:], rows[i*width:][:width])
	}
	return wide
}

func (l *layer[F]) padded() []F { return spread(l.dy, l.out, l.weights().OutputWidth()) }

func (l *layer[F]) inputs() []F { return spread(l.x, l.in, l.weights().InputWidth()) }

func (l *layer[F]) checkForward(t *rapid.T, relu bool) {
	y, want := make([]F, l.n*l.out+Slack), make([]F, l.n*l.out)
	for i := range l.n {
		for o := range l.out {
			v := sum(l.in, func(k int) F { return l.x[i*l.in+k] }, func(k int) F { return l.w[o*l.in+k] }) + l.bias[o]
			if relu && v < 0 {
				v = 0
			}
			want[i*l.out+o] = v
		}
	}
	l.weights().Forward(y, l.inputs(), l.n, relu)
	sameBits(t, "y", y, want)
}

func (l *layer[F]) checkInputGradient(t *rapid.T, mask bool) {
	dx, want := make([]F, l.n*l.in+Slack), make([]F, l.n*l.in)
	w := l.weights()
	for i := range want {
		n, k := i/l.in, i%l.in
		want[i] = sum(l.out, func(o int) F { return l.dy[n*l.out+o] }, func(o int) F { return l.w[o*l.in+k] })
		if mask && l.mask[i] <= 0 {
			want[i] = 0
		}
	}
	var m []F
	if mask {
		m = append(slices.Clone(l.mask), make([]F, Slack)...)
	}
	w.Backward(&Backward[F]{N: l.n, DY: l.padded(), DX: dx, Mask: m})
	sameBits(t, "dx", dx, want)
}

// gradients are those of the weights and of the biases.
func (l *layer[F]) gradients() (g, bias []F) {
	g, bias = make([]F, l.out*l.in), make([]F, l.out)
	for o := range l.out {
		dy := func(i int) F { return l.dy[i*l.out+o] }
		for k := range l.in {
			g[o*l.in+k] = sum(l.n, dy, func(i int) F { return l.x[i*l.in+k] })
		}
		bias[o] = sum(l.n, dy, func(int) F { return 1 })
	}
	return g, bias
}

func (l *layer[F]) checkGradient(t *rapid.T) {
	w := l.weights()
	g, bias := l.gradients()
	for p := range w.Panels() {
		first, rows, b := w.Gradient(p, l.inputs(), l.padded(), l.n)
		sameBits(t, "gradient", rows, g[first*l.in:][:len(rows)])
		sameBits(t, "gradient of biases", b, bias[first:][:len(b)])
	}
}

func (l *layer[F]) checkUpdate(t *rapid.T) {
	w, v := l.weights(), NewWeights[F](l.in, l.out, true)
	v.Load(l.velocity, l.vbias)
	dx, want := make([]F, l.n*l.in+Slack), make([]F, l.n*l.in+Slack)
	w.Backward(&Backward[F]{N: l.n, DY: l.padded(), DX: want})
	w.Backward(&Backward[F]{N: l.n, DY: l.padded(), DX: dx, X: l.inputs(), SGD: &l.sgd, Velocity: v})
	sameBits(t, "dx beside a step", dx, want)
	g, bias := l.gradients()
	wantW, wantB, wantV, wantVB := slices.Clone(l.w), slices.Clone(l.bias), slices.Clone(l.velocity), slices.Clone(l.vbias)
	l.sgd.Apply(wantW, wantV, g)
	l.sgd.Apply(wantB, wantVB, bias)
	gotW, gotB := make([]F, len(g)), make([]F, len(bias))
	w.Save(gotW, gotB)
	sameBits(t, "weights", gotW, wantW)
	sameBits(t, "biases", gotB, wantB)
	v.Save(gotW, gotB)
	sameBits(t, "velocities", gotW, wantV)
	sameBits(t, "velocities of biases", gotB, wantVB)
}

func checkLayer[F Float](t *rapid.T) {
	l := drawLayer[F](t)
	for _, on := range []bool{false, true} {
		l.checkForward(t, on)
		l.checkInputGradient(t, on)
	}
	l.checkGradient(t)
	l.checkUpdate(t)
}

// eachKernel runs a test with every kernel of this machine.
func eachKernel(t *testing.T, test func(t *testing.T)) {
	before := InUse()
	defer func() { _ = Use(before) }()
	for _, name := range Available() {
		if err := Use(name); err != nil {
			t.Fatal(err)
		}
		t.Run(name, test)
	}
}

func TestKernelsEqualNaiveLoopsBitForBit(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		t.Run("float32", rapid.MakeCheck(checkLayer[float32]))
	})
	t.Run("float64", rapid.MakeCheck(checkLayer[float64]))
}
