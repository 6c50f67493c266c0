package kernel

import (
	"math"
	"slices"
	"testing"
)

func TestReLU(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name             string
		slope            float64
		x, y, derivative float64
	}{
		{"positive", 0, 3, 3, 1},
		{"negative", 0, -3, 0, 0},
		{"zero", 0, 0, 0, 0},
		{"negative zero", 0, math.Copysign(0, -1), 0, 0},
		{"infinite", 0, inf, inf, 1},
		{"not a number", 0, nan, nan, 1},
		{"leaky positive", 0.25, 3, 3, 1},
		{"leaky negative", 0.25, -3, -0.75, 0.25},
		{"leaky zero", 0.25, 0, 0, 0.25},
		{"leaky not a number", 0.25, nan, nan, 1},
		{"leaky underflow", 0.25, -math.SmallestNonzeroFloat64, math.Copysign(0, -1), 0.25},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, d := []float64{c.x}, []float64{2}
			ReLU(y, c.slope)
			if math.Float64bits(y[0]) != math.Float64bits(c.y) && !(math.IsNaN(y[0]) && math.IsNaN(c.y)) {
				t.Errorf("ReLU(%v) = %v, want %v", c.x, y[0], c.y)
			}
			ReLUGradient(d, y, c.slope)
			if d[0] != 2*c.derivative {
				t.Errorf("derivative at %v = %v, want %v", c.x, d[0]/2, c.derivative)
			}
		})
	}
}

// What the kernels do to a finished sum: NaN and -0 pass, and a mask that is NaN keeps the gradient.
func TestFusedReLU(t *testing.T) {
	nan, least, minus := float32(math.NaN()), float32(math.SmallestNonzeroFloat32), float32(math.Copysign(0, -1))
	eachKernel(t, func(t *testing.T) {
		const out = 13 // a whole vector and a part of one
		w := NewWeights[float32](1, out, true)
		ones, bias := make([]float32, out), make([]float32, out)
		for o := range ones {
			ones[o], bias[o] = 0.5, minus
		}
		w.Load(ones, bias)
		y := make([]float32, 4*out+Slack)
		w.Forward(y, []float32{nan, -least, -3, 5}, 4, true) // half of -least is rounded to -0
		for o := range out {
			for i, want := range []float32{nan, minus, 0, 2.5} {
				checkBits(t, "activation", y[i*out+o], want)
			}
		}
	})
}

// The gradient before a ReLU, for examples that are computed alone and for those whose vectors run over examples.
func TestFusedReLUGradient(t *testing.T) {
	nan, least, minus := float32(math.NaN()), float32(math.SmallestNonzeroFloat32), float32(math.Copysign(0, -1))
	eachKernel(t, func(t *testing.T) {
		for _, n := range []int{1, turnedFrom + 3} {
			mask := slices.Repeat([]float32{nan, minus, 0, -least, least, 1, -1, -3, 4}, n)
			d, in := make([]float32, len(mask)+Slack), len(mask)/n
			back := NewWeights[float32](in, 1, false)
			back.Prepare(n, true)
			back.Load(slices.Repeat([]float32{1}, in), nil)
			back.Backward(&Backward[float32]{N: n, DX: d, DY: slices.Repeat(make8(2), n), Mask: append(mask, make([]float32, Slack)...)})
			for i, want := range slices.Repeat([]float32{2, 0, 0, 0, 2, 2, 0, 0, 2}, n) {
				checkBits(t, "gradient", d[i], want)
			}
		}
	})
}

// make8 returns v and zeros, a row as wide as the narrowest vector.
func make8(v float32) []float32 { return append([]float32{v}, make([]float32, 7)...) }

func checkBits(t *testing.T, what string, got, want float32) {
	t.Helper()
	if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Vectors and what is left over after them give the same: longer slices of every length, with every kernel.
func TestReLUOfManyNumbers(t *testing.T) {
	nan, inf, minus := float32(math.NaN()), float32(math.Inf(1)), float32(math.Copysign(0, -1))
	values := []float32{1, -1, minus, 0, nan, inf, -inf, 0.5, -1e-45, 1e-45, 3}
	eachKernel(t, func(t *testing.T) {
		for n := range 40 {
			y, d := make([]float32, n), make([]float32, n)
			for i := range y {
				y[i], d[i] = values[i%len(values)], values[i*7%len(values)]
			}
			before, x := slices.Clone(d), slices.Clone(y)
			ReLU(y, 0)
			ReLUGradient(d, y, 0)
			for i, v := range x {
				want, gradient := v, before[i]
				if v <= 0 {
					want, gradient = 0, 0
				}
				checkBits(t, "activation", y[i], want)
				checkBits(t, "gradient", d[i], gradient)
			}
		}
	})
}
