package kernel

import (
	"math"
	"math/bits"
)

// early is how many bits of a product of a weight and a number's fraction can go at once: the whole shift is larger.
const early = 10

// AddFixed adds round(weight*x / 2^shift), halves away from zero, to the word of each x, in two's complement. weight is at
// most 2^50, and |x| at most 2^(shift+12), which keeps what is added within 2^62.
//
// Every value of every update of a round passes here.
func AddFixed(words []uint64, weight uint64, x []float32, shift int) {
	words = words[:len(x)]
	left := uint64(shift + 150 - 1 - early) // what is left of the shift for a biased exponent of 0
	if add := inUse.Load().addFixed; add != nil && len(x) >= 4 {
		whole := len(x) &^ 3
		add(words, x[:whole], weight, left)
		words, x = words[whole:], x[whole:]
	}
	addFixed(words, x, weight, left)
}

// addFixed has one shift for all numbers and no branch but that for subnormal ones. The product has at most 74 bits; the
// first of them to go are below the half that rounds, and a floor of a floor is the floor. What is left holds that half as
// its last bit.
func addFixed(words []uint64, x []float32, weight, shift uint64) {
	words = words[:len(x)]
	for j, v := range x {
		b := math.Float32bits(v)
		m, exp := uint64(b&(1<<23-1)|1<<23), uint64(b>>23&0xff)
		if exp == 0 {
			m, exp = m&^(1<<23), 1
		}
		hi, lo := bits.Mul64(weight, m)
		sum := ((hi<<(64-early)|lo>>early)>>(shift-exp) + 1) >> 1
		sign := uint64(int64(int32(b)) >> 63)
		words[j] += (sum ^ sign) - sign
	}
}

// Magnitude returns the bits of |x|. They are ordered as magnitudes are, NaN above them all.
func Magnitude(x float32) uint32 { return math.Float32bits(x) &^ (1 << 31) }

// Largest returns the bits of the largest magnitude, 0 for none.
func Largest(x []float32) uint32 {
	var m uint32
	if largest := inUse.Load().largest; largest != nil && len(x) >= 32 {
		whole := len(x) &^ 31
		m, x = largest(x[:whole]), x[whole:]
	}
	for _, v := range x {
		m = max(m, Magnitude(v))
	}
	return m
}
