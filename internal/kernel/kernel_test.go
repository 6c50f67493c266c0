package kernel

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The naive twins: the definition of every sum's order, one product after the other, no zero left out.

func naiveLinear[F Float](y, x, w, bias []F, n, in, out int) {
	for i := range n {
		for o := range out {
			var a F
			for k := range in {
				a += F(x[i*in+k] * w[o*in+k])
			}
			if bias != nil {
				a += bias[o]
			}
			y[i*out+o] = a
		}
	}
}

func naiveWeightGradient[F Float](g, x, dy []F, n, in, out, o int) {
	for k := range in {
		var a F
		for i := range n {
			a += F(dy[i*out+o] * x[i*in+k])
		}
		g[k] = a
	}
}

func naiveInputGradient[F Float](dx, dy, w []F, n, in, out int) {
	for i := range n {
		for k := range in {
			var a F
			for o := range out {
				a += F(dy[i*out+o] * w[o*in+k])
			}
			dx[i*in+k] = a
		}
	}
}

// shape is a random product with random numbers in it, among them zeros of both signs, subnormals and huge ones, whose
// products still are finite.
type shape[F Float] struct {
	n, in, out      int
	x, w, bias, dy  []F
	room, weightRow int
}

func drawShape[F Float](t *rapid.T) shape[F] {
	s := shape[F]{
		n:   rapid.IntRange(1, 12).Draw(t, "n"),
		in:  rapid.IntRange(1, 40).Draw(t, "in"),
		out: rapid.IntRange(1, 40).Draw(t, "out"),
	}
	s.room = s.n + rapid.IntRange(0, 3).Draw(t, "spare rows")
	s.weightRow = rapid.IntRange(0, s.out-1).Draw(t, "weight row")
	s.x = drawNumbers[F](t, "x", s.n*s.in)
	s.w = drawNumbers[F](t, "w", s.out*s.in)
	s.dy = drawNumbers[F](t, "dy", s.n*s.out)
	if rapid.Bool().Draw(t, "has bias") {
		s.bias = drawNumbers[F](t, "bias", s.out)
	}
	return s
}

// drawNumbers draws each array with a density of its own, so that sparse, mixed and dense rows all occur.
func drawNumbers[F Float](t *rapid.T, label string, n int) []F {
	density := rapid.Float64Range(0, 1).Draw(t, label+" density")
	number := rapid.Custom(func(t *rapid.T) F {
		if rapid.Float64Range(0, 1).Draw(t, "zero") >= density {
			return F(math.Copysign(0, float64(rapid.IntRange(-1, 1).Draw(t, "sign"))))
		}
		exponent := rapid.SampledFrom([]int{-149, -30, -1, 0, 0, 0, 1, 30, 60}).Draw(t, "exponent")
		return F(math.Ldexp(rapid.Float64Range(-1, 1).Draw(t, "mantissa"), exponent))
	})
	return rapid.SliceOfN(number, n, n).Draw(t, label)
}

// sameBits compares bit for bit, so that +0 and -0 differ.
func sameBits[F Float](t *rapid.T, what string, got, want []F) {
	t.Helper()
	for i := range want {
		if math.Float64bits(float64(got[i])) != math.Float64bits(float64(want[i])) {
			t.Fatalf("%s[%d] = %v, the naive loop gives %v", what, i, got[i], want[i])
		}
	}
}

func checkAgainstNaive[F Float](t *rapid.T) {
	s := drawShape[F](t)
	rows := NewRows[F](s.room, s.in)
	rows.Set(make([]F, s.room*s.in)) // leftovers of an earlier batch must not show
	rows.Set(s.x)

	y, wantY := make([]F, s.n*s.out), make([]F, s.n*s.out)
	Linear(y, rows, s.w, s.bias, s.out)
	naiveLinear(wantY, s.x, s.w, s.bias, s.n, s.in, s.out)
	sameBits(t, "y", y, wantY)

	g, wantG := make([]F, s.in), make([]F, s.in)
	WeightGradient(g, rows, s.dy, s.out, s.weightRow)
	naiveWeightGradient(wantG, s.x, s.dy, s.n, s.in, s.out, s.weightRow)
	sameBits(t, "g", g, wantG)

	dx, wantX := make([]F, s.n*s.in), make([]F, s.n*s.in)
	InputGradient(dx, s.dy, s.w, s.out, s.in)
	naiveInputGradient(wantX, s.dy, s.w, s.n, s.in, s.out)
	sameBits(t, "dx", dx, wantX)

	// A bias gradient is the weight gradient of an input that is always 1.
	ones := make([]F, s.n)
	for i := range ones {
		ones[i] = 1
	}
	db, wantB := make([]F, s.out), make([]F, s.out)
	BiasGradient(db, s.dy)
	for o := range wantB {
		naiveWeightGradient(wantB[o:o+1], ones, s.dy, s.n, 1, s.out, o)
	}
	sameBits(t, "db", db, wantB)
}

func TestKernelsEqualNaiveLoopsBitForBit(t *testing.T) {
	t.Run("float32", rapid.MakeCheck(checkAgainstNaive[float32]))
	t.Run("float64", rapid.MakeCheck(checkAgainstNaive[float64]))
}

// A batch's examples must not see each other: the outputs of a row are those that it has alone.
func TestLinearRowsAreIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShape[float32](t)
		all := NewRows[float32](s.n, s.in)
		all.Set(s.x)
		together := make([]float32, s.n*s.out)
		Linear(together, all, s.w, s.bias, s.out)
		one := NewRows[float32](1, s.in)
		alone := make([]float32, s.out)
		for i := range s.n {
			one.Set(s.x[i*s.in : (i+1)*s.in])
			Linear(alone, one, s.w, s.bias, s.out)
			sameBits(t, fmt.Sprintf("row %d", i), together[i*s.out:(i+1)*s.out], alone)
		}
	})
}

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

func TestUnfittingLengthsPanic(t *testing.T) {
	rows := NewRows[float32](2, 3)
	rows.Set(make([]float32, 6))
	f := func(n int) []float32 { return make([]float32, n) }
	for name, call := range map[string]func(){
		"rows of unequal width":  func() { rows.Set(f(5)) },
		"more rows than room":    func() { rows.Set(f(9)) },
		"linear outputs":         func() { Linear(f(7), rows, f(12), nil, 4) },
		"linear weights":         func() { Linear(f(8), rows, f(11), nil, 4) },
		"linear bias":            func() { Linear(f(8), rows, f(12), f(3), 4) },
		"weight gradient row":    func() { WeightGradient(f(2), rows, f(8), 4, 0) },
		"weight gradient output": func() { WeightGradient(f(3), rows, f(8), 4, 4) },
		"input gradient":         func() { InputGradient(f(5), f(8), f(12), 4, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}
