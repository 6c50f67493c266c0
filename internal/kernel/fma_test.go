package kernel

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// exactFMA is x*y+z by exact arithmetic, rounded once.
func exactFMA(x, y, z float32) float32 {
	exact := func(v float32) *big.Float { return new(big.Float).SetPrec(1200).SetFloat64(float64(v)) }
	sum := exact(x)
	sum.Mul(sum, exact(y)).Add(sum, exact(z))
	if sum.Sign() == 0 {
		return float32(float64(float64(x)*float64(y)) + float64(z)) // exact; big's zeros have another rule for signs
	}
	f, _ := sum.Float32()
	return f
}

func checkFMA(t interface{ Errorf(string, ...any) }, x, y, z float32) {
	want := exactFMA(x, y, z)
	for name, f := range map[string]func(x, y, z float32) float32{"fma32": fma32, "fmaToOdd": fmaToOdd} {
		if got := f(x, y, z); math.Float32bits(got) != math.Float32bits(want) {
			t.Errorf("%s(%x, %x, %x) = %x, want %x", name, x, y, z, got, want)
		}
	}
}

// Rounding twice would be wrong for the first three: the sum in float64 is the middle of two float32 and the exact one is not.
func TestFMARoundsOnce(t *testing.T) {
	const tiny, least = 0x1p-60, math.SmallestNonzeroFloat32
	for _, c := range [][3]float32{
		{1 + 0x1p-12, 1 + 0x1p-12, 0x1p-60},
		{0x1p-30, 0x1p-30, 1 + 0x1p-23},
		{-tiny, tiny, 1 + 0x1p-23},
		{1 + 0x1p-23, 0x1p-24, 1},
		{0x1.000002p0, 0x1p-24, 1},
		{least, 0.5, 0}, {least, 0.5, least}, {-least, 0.5, 0}, {least, 0.75, 0}, {-least, least, 0}, {-least, least, least},
		{0x1p-126, 0x1.fffffep-1, -0x1p-149}, {0x1.fffffep-64, 0x1.fffffep-63, 0x1p-149},
		{math.MaxFloat32, 1, 0x1p103}, {math.MaxFloat32, 1, 0x1.fffffep102}, {math.MaxFloat32, 2, -math.MaxFloat32},
		{0, 1, 0}, {-1, 0, 0}, {1, 1, -1}, {0, -1, float32(math.Copysign(0, -1))},
	} {
		checkFMA(t, c[0], c[1], c[2])
	}
	inf := float32(math.Inf(1))
	if got := fma32(inf, 1, 3); got != inf {
		t.Errorf("infinity became %v", got)
	}
	for _, got := range []float32{fma32(inf, 0, 1), fma32(inf, 1, -inf), fma32(1, float32(math.NaN()), 0), fmaToOdd(inf, 0, 1)} {
		if got == got {
			t.Errorf("%v is a number", got)
		}
	}
}

func TestFMAEqualsExactArithmetic(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	bits := func() float32 {
		for {
			if f := math.Float32frombits(random.Uint32()); f-f == 0 {
				return f
			}
		}
	}
	for range 30000 {
		x, y := bits(), bits()
		checkFMA(t, x, y, bits())
		// Terms of like size, where digits of all of them meet, and factors of few digits, where middles are hit.
		product := float32(float64(x) * float64(y))
		if z := math.Float32frombits(math.Float32bits(product) ^ random.Uint32()>>(random.Uint32()%32)); z-z == 0 {
			checkFMA(t, x, y, z)
			x = math.Float32frombits(math.Float32bits(x) &^ 0xffff)
			checkFMA(t, x, math.Float32frombits(math.Float32bits(y)&^0xfff), z)
		}
	}
}

func TestFMAOfAnyExponents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Custom(func(t *rapid.T) float32 {
			mantissa := float64(rapid.IntRange(-1<<24, 1<<24).Draw(t, "mantissa"))
			return float32(math.Ldexp(mantissa, rapid.IntRange(-176, 60).Draw(t, "exponent")))
		})
		checkFMA(t, number.Draw(t, "x"), number.Draw(t, "y"), number.Draw(t, "z"))
	})
}
