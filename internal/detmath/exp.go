// Package detmath computes elementary functions with the same bits on every machine.
//
// The functions of package math are assembly on some architectures and use fused multiply-add on others, so their last
// bit depends on the CPU. Rules here: every product that meets an addition is rounded by an explicit conversion (which
// forbids the compiler to fuse it) or is a math.FMA (exact everywhere, in software where the CPU has none); the number
// of steps never depends on anything but the argument; nothing but arithmetic, bit patterns and the exact functions of
// math is used. All bits are pinned by golden values. The polynomials for Exp, Log and SinCosTurns are those of
// FreeBSD's msun (Sun Microsystems, 1993), which are within one unit in the last place.
package detmath

import "math"

const (
	ln2Hi = 0x1.62e42feep-01      // ln 2 to 33 bits: k*ln2Hi is exact for |k| < 2^20
	ln2Lo = 0x1.a39ef35793c76p-33 // ln 2 - ln2Hi

	expOverflow  = 0x1.62e42fefa39efp+09  // the largest x whose exp is finite
	expUnderflow = -0x1.74910d52d3051p+09 // below it exp rounds to 0
)

// Exp returns e to the power x, within one unit in the last place; 0, +Inf and NaN as math.Exp does.
func Exp(x float64) float64 {
	switch {
	case x != x || x > expOverflow:
		return x + math.Inf(1) // keeps NaN
	case x < expUnderflow:
		return 0
	}
	k := math.RoundToEven(float64(x * math.Log2E))
	hi := x - float64(k*ln2Hi)
	lo := float64(k * ln2Lo)
	return scale(expReduced(hi, lo), int(k))
}

// expReduced returns exp(hi-lo) for |hi-lo| <= 0.35, with lo at most a few ulps of hi.
func expReduced(hi, lo float64) float64 {
	const (
		p1 = 1.66666666666666657415e-01
		p2 = -2.77777777770155933842e-03
		p3 = 6.61375632143793436117e-05
		p4 = -1.65339022054652515390e-06
		p5 = 4.13813679705723846039e-08
	)
	r := hi - lo
	t := float64(r * r)
	p := p4 + float64(t*p5)
	p = p3 + float64(t*p)
	p = p2 + float64(t*p)
	p = p1 + float64(t*p)
	c := r - float64(t*p)
	return 1 - ((lo - float64(r*c)/(2-c)) - hi)
}

// scale returns y * 2^k for y in [0.5, 2] and |k| <= 1100, rounding once where the result is subnormal.
func scale(y float64, k int) float64 {
	half := k / 2
	return float64(y * powerOfTwo(half) * powerOfTwo(k-half))
}

// powerOfTwo returns 2^k for -1022 <= k <= 1023.
func powerOfTwo(k int) float64 { return math.Float64frombits(uint64(k+1023) << 52) }
