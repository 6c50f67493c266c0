package localsgd

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// The quick quotient gives way to the long one exactly where it must: at sums whose mean is, or nearly is, halfway between
// two float32 values, and at subnormal ones.
func TestRatiosEqualsRatio(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := keyed.New(rapid.Uint64().Draw(rt, "seed"), "ratios")
		quantum := rapid.IntRange(-52, 76).Draw(rt, "quantum")
		w := One - Weight(s.Below(1<<20))
		if s.Below(2) == 0 {
			w = 1 + Weight(s.Uint64()>>14)
		}
		words := make([]uint64, 64)
		for i := range words {
			words[i] = nearHalfway(s, w)
		}
		got := make([]float32, len(words))
		ratios(got, words, quantum, w)
		for i, word := range words {
			if want := ratio(int128{word, int64(word) >> 63}, quantum, w); math.Float32bits(got[i]) != math.Float32bits(want) {
				rt.Fatalf("%d * 2^%d / %d = %x, want %x", int64(word), quantum, w, got[i], want)
			}
		}
	})
}

// nearHalfway returns a sum below 2^62 whose quotient by w is near a number of 25 bits, or any sum, or zero.
func nearHalfway(s *keyed.Stream, w Weight) uint64 {
	var word uint64
	switch s.Below(8) {
	case 0:
	case 1:
		word = s.Uint64() >> (2 + s.Below(60))
	default:
		half := float64(1<<24 | s.Below(1<<24) | 1)
		word = uint64(math.Ldexp(half/(1<<25)*float64(w)/float64(One), 30+s.Below(32)))
		word += uint64(s.Below(5)) - 2
		word &= 1<<62 - 1
	}
	if s.Below(2) == 0 {
		return -word
	}
	return word
}
