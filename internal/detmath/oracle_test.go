package detmath

import (
	"math"
	"math/big"
	"sync"
)

// The oracle: elementary functions in 160-bit arithmetic, by the simplest series that converge.

const oracleBits = 160

func exact(x float64) *big.Float { return newBig().SetFloat64(x) }

func newBig() *big.Float { return new(big.Float).SetPrec(oracleBits) }

// bigExp halves x until it is small, sums the Taylor series, and squares back.
func bigExp(x *big.Float) *big.Float {
	const halvings = 20
	r := newBig().SetMantExp(x, -halvings)
	sum := taylor(r, 1, 0, 1)
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum
}

// taylor sums sign^i * r^k / k! over k = first, first+step, ...
func taylor(r *big.Float, sign, first, step int) *big.Float {
	term := newBig().SetInt64(1)
	sum := newBig()
	for k := 0; k < 50; k++ {
		if k > 0 {
			term.Mul(term, r)
			term.Quo(term, newBig().SetInt64(int64(k)))
		}
		if (k-first)%step != 0 || k < first {
			continue
		}
		if sign < 0 && (k-first)/step%2 == 1 {
			sum.Sub(sum, term)
		} else {
			sum.Add(sum, term)
		}
	}
	return sum
}

// bigLog improves the float64 logarithm by Newton steps y += x exp(-y) - 1, each of which doubles the digits.
func bigLog(x *big.Float) *big.Float {
	mantissa := newBig()
	exponent := x.MantExp(mantissa)
	m, _ := mantissa.Float64()
	y := bigLogNear(mantissa, math.Log(m))
	whole := newBig().SetInt64(int64(exponent))
	return y.Add(y, whole.Mul(whole, bigLn2()))
}

var bigLn2 = sync.OnceValue(func() *big.Float { return bigLogNear(newBig().SetInt64(2), math.Ln2) })

func bigLogNear(x *big.Float, start float64) *big.Float {
	y := exact(start)
	for range 2 {
		e := bigExp(newBig().Neg(y))
		e.Mul(e, x)
		y.Add(y, e.Sub(e, newBig().SetInt64(1)))
	}
	return y
}

// bigSinCosTurns sums the Taylor series at 2 pi t for |t| <= 1/2.
func bigSinCosTurns(t float64) (sin, cos *big.Float) {
	x := newBig().Mul(bigPi(), exact(2*t))
	return taylor(x, -1, 1, 2), taylor(x, -1, 0, 2)
}

// bigPi is Machin's formula: pi = 16 atan(1/5) - 4 atan(1/239).
var bigPi = sync.OnceValue(func() *big.Float {
	a, b := bigArctanInverse(5), bigArctanInverse(239)
	a.Mul(a, newBig().SetInt64(16))
	return a.Sub(a, b.Mul(b, newBig().SetInt64(4)))
})

func bigArctanInverse(n int64) *big.Float {
	sum := newBig()
	power := newBig().Quo(newBig().SetInt64(1), newBig().SetInt64(n))
	square := newBig().SetInt64(n * n)
	for k := int64(0); k < 80; k++ {
		term := newBig().Quo(power, newBig().SetInt64(2*k+1))
		if k%2 == 1 {
			term.Neg(term)
		}
		sum.Add(sum, term)
		power.Quo(power, square)
	}
	return sum
}

// ulps returns |got - want| in units of the last place of want as a float64; want is in the range of float64.
func ulps(got float64, want *big.Float) float64 {
	near, _ := want.Float64()
	unit := math.Nextafter(math.Abs(near), math.Inf(1)) - math.Abs(near)
	d := newBig().Sub(exact(got), want)
	d.Quo(d, exact(unit))
	v, _ := d.Float64()
	return math.Abs(v)
}
