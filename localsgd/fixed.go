package localsgd

import (
	"math"
	"math/bits"
)

// int128 is a two's complement number, low word first.
type int128 struct {
	lo uint64
	hi int64
}

func (a int128) add(b int128) int128 {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(uint64(a.hi), uint64(b.hi), carry)
	return int128{lo, int64(hi)}
}

func (a int128) neg() int128 {
	lo, borrow := bits.Sub64(0, a.lo, 0)
	hi, _ := bits.Sub64(0, uint64(a.hi), borrow)
	return int128{lo, int64(hi)}
}

// abs returns the magnitude as two words, and whether a is negative.
func (a int128) abs() (hi, lo uint64, negative bool) {
	if a.hi < 0 {
		a, negative = a.neg(), true
	}
	return uint64(a.hi), a.lo, negative
}

// split returns the parts of a finite x = (-1)^negative * mantissa * 2^exp, mantissa < 2^24.
func split(x float32) (mantissa uint64, exp int, negative bool) {
	b := math.Float32bits(x)
	mantissa, exp = uint64(b&(1<<23-1)), int(b>>23&0xff)
	if exp == 0 {
		exp = 1
	} else {
		mantissa |= 1 << 23
	}
	return mantissa, exp - 150, b>>31 != 0
}

// shiftRight returns (hi,lo) / 2^k rounded to the nearest, halves up, for k >= 1 and a result below 2^64.
func shiftRight(hi, lo uint64, k int) uint64 {
	switch {
	case k > 128:
		return 0
	case k > 64:
		hi, carry := bits.Add64(hi, 1<<(k-65), 0)
		return carry<<(128-k) | hi>>(k-64) // shifts by 64 give 0
	default:
		lo, carry := bits.Add64(lo, 1<<(k-1), 0)
		hi += carry
		return hi<<(64-k) | lo>>k // shifts by 64 give 0
	}
}

// quantiseWide is quantise into 128 bits, for tensors whose range needs them: the result is less than 2^121.
func quantiseWide(w Weight, x float32, quantum int) int128 {
	m, exp, negative := split(x)
	hi, lo := bits.Mul64(uint64(w), m)
	k := quantum + weightBits - exp
	var v int128
	if k > 0 {
		v = shiftRightWide(hi, lo, k)
	} else {
		v = shiftLeft(hi, lo, -k)
	}
	if negative {
		return v.neg()
	}
	return v
}

func shiftRightWide(hi, lo uint64, k int) int128 {
	if k >= 64 {
		return int128{lo: shiftRight(hi, lo, k)}
	}
	lo, carry := bits.Add64(lo, 1<<(k-1), 0)
	hi += carry
	return int128{lo: hi<<(64-k) | lo>>k, hi: int64(hi >> k)}
}

func shiftLeft(hi, lo uint64, k int) int128 {
	if k >= 64 {
		return int128{hi: int64(lo << (k - 64))}
	}
	return int128{lo: lo << k, hi: int64(hi<<k | lo>>(64-k))}
}

// ratio returns sum * 2^quantum / w, rounded once to float32, halves to even.
func ratio(sum int128, quantum int, w Weight) float32 {
	hi, lo, negative := sum.abs()
	if hi|lo == 0 {
		return 0
	}
	shift := leadingZeros(hi, lo)
	shifted := shiftLeft(hi, lo, shift)
	high, rest := bits.Div64(0, uint64(shifted.hi), uint64(w))
	low, rest := bits.Div64(rest, shifted.lo, uint64(w))
	mantissa, exp := sticky(high, low, rest != 0)
	// The mantissa has 53 bits, the last of which says whether anything was cut off: float64 holds it exactly, so the
	// conversion to float32 rounds the true quotient, and rounds it once.
	v := float32(math.Ldexp(float64(mantissa), exp+quantum+weightBits-shift))
	if negative {
		return -v
	}
	return v
}

// ratios is ratio for sums of one word.
//
// The quotient in float64 is off by less than 2^-51 of itself, three roundings of 2^-53. Where both ends of that interval
// round to one float32, so does the true quotient, because rounding is monotone; elsewhere, at and very near halves, which the
// mean of 2, 4 or 8 updates often is, the long way decides. Scaling by a power of two is exact: quanta are far from the ends of float64's range.
func ratios(dst []float32, words []uint64, quantum int, w Weight) {
	words = words[:len(dst)]
	divisor, scale := float64(w), math.Ldexp(1, quantum+weightBits)
	for j, word := range words {
		q := float64(float64(int64(word)) / divisor * scale)
		low, high := float32(float64(q*(1-0x1p-51))), float32(float64(q*(1+0x1p-51)))
		if low != high {
			low = ratio(int128{word, int64(word) >> 63}, quantum, w)
		}
		dst[j] = low
	}
}

func leadingZeros(hi, lo uint64) int {
	if hi != 0 {
		return bits.LeadingZeros64(hi)
	}
	return 64 + bits.LeadingZeros64(lo)
}

// sticky reduces (hi,lo), at least 2^53 large, to its top 53 bits times 2^exp, and sets the last bit when lower ones, or
// what remained of the division, were not zero.
func sticky(hi, lo uint64, inexact bool) (mantissa uint64, exp int) {
	exp = 128 - leadingZeros(hi, lo) - 53
	var cut uint64
	if exp >= 64 {
		mantissa = hi >> (exp - 64)
		cut = lo | hi<<(128-exp)
	} else {
		mantissa = hi<<(64-exp) | lo>>exp
		cut = lo << (64 - exp)
	}
	if cut != 0 || inexact {
		mantissa |= 1
	}
	return mantissa, exp
}
