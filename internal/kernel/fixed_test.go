package kernel

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// fixedOracle returns round(weight*x / 2^shift), halves away from zero.
func fixedOracle(weight uint64, x float32, shift int) uint64 {
	v := new(big.Rat).SetFloat64(float64(x))
	v.Mul(v, new(big.Rat).SetInt(new(big.Int).SetUint64(weight)))
	unit := new(big.Int).Lsh(big.NewInt(1), uint(max(shift, -shift)))
	if shift > 0 {
		v.Quo(v, new(big.Rat).SetInt(unit))
	} else {
		v.Mul(v, new(big.Rat).SetInt(unit))
	}
	num := new(big.Int).Abs(v.Num())
	num.Lsh(num, 1).Add(num, v.Denom())
	num.Quo(num, new(big.Int).Lsh(v.Denom(), 1))
	if v.Sign() < 0 {
		num.Neg(num)
	}
	return uint64(num.Int64())
}

// fixedValue draws a number up to 2^(shift+12) in magnitude, often one that has few bits, so that halves occur.
func fixedValue(t *rapid.T, shift int) float32 {
	exp := rapid.IntRange(-149, shift+11).Draw(t, "exponent")
	m := rapid.Uint32Range(1<<23, 1<<24-1).Draw(t, "fraction")
	m &^= 1<<rapid.IntRange(0, 24).Draw(t, "zeros") - 1
	v := float32(math.Ldexp(float64(m), exp-23))
	if rapid.Bool().Draw(t, "negative") {
		v = -v
	}
	return v
}

func TestAddFixed(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			shift := rapid.IntRange(-2, 60).Draw(t, "shift")
			weight := rapid.Uint64Range(0, 1<<50).Draw(t, "weight")
			weight &^= 1<<rapid.IntRange(0, 51).Draw(t, "low bits") - 1
			x := []float32{0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, float32(math.Ldexp(1, shift+12)), -float32(math.Ldexp(1, shift+12))}
			for range rapid.IntRange(0, 12).Draw(t, "numbers") {
				x = append(x, fixedValue(t, shift))
			}
			want, got := make([]uint64, len(x)), make([]uint64, len(x))
			for i, v := range x {
				got[i] = uint64(i) << 60
				want[i] = got[i] + fixedOracle(weight, v, shift)
			}
			AddFixed(got, weight, x, shift)
			if !slices.Equal(got, want) {
				t.Fatalf("weight %#x, shift %d, %x:\ngot  %x\nwant %x", weight, shift, x, got, want)
			}
		})
	})
}

func TestLargest(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 31, 32, 33, 64, 100, 257} {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(i%5) / 8
			}
			for i := range x {
				checkLargest(t, x, i, -3)
				checkLargest(t, x, i, float32(math.Inf(-1)))
				checkLargest(t, x, i, float32(math.NaN()))
			}
			if n > 5 && Largest(x) != Magnitude(0.5) {
				t.Errorf("the largest of %d is %x", n, Largest(x))
			}
		}
	})
}

// checkLargest puts a value that is the largest at a place.
func checkLargest(t *testing.T, x []float32, at int, v float32) {
	t.Helper()
	was := x[at]
	x[at] = v
	if got := Largest(x); got != Magnitude(v) {
		t.Errorf("%g at %d of %d: %x, want %x", v, at, len(x), got, Magnitude(v))
	}
	x[at] = was
}
