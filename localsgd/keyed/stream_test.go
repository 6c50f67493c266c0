package keyed

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

// Golden values: whoever changes them changes every run, and has to raise the numerics version.
func TestStreamsAreGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		s    *Stream
		want [6]uint32
	}{
		{"plain", New(1, "shuffle"), [6]uint32{0xa1963f2d, 0x7f3a4db6, 0xa486f13d, 0x1214e9b2, 0x53a89b11, 0x0a4ab641}},
		{"path", New(1, "shuffle", 3, 7, 0), [6]uint32{0xbd0878e1, 0x6e2a76f4, 0xc82d277e, 0x689d3394, 0xdfc890af, 0x86d12525}},
		{"large seed", New(math.MaxUint64, "init", math.MaxUint64), [6]uint32{0xb9e6c066, 0x2509f6cd, 0x18246e7e, 0x96769b41, 0xc8e157ff, 0x850dec0f}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got [6]uint32
			for i := range got {
				got[i] = c.s.Uint32()
			}
			if got != c.want {
				t.Errorf("got %#08x, want %#08x", got, c.want)
			}
		})
	}
}

// The first block of a stream, derived again from the documented form of its name.
func TestNameIsHashedAsDocumented(t *testing.T) {
	var name []byte
	for _, word := range []uint64{42, 5} {
		name = binary.LittleEndian.AppendUint64(name, word)
	}
	name = append(name, "probe"...)
	for _, word := range []uint64{2, 8, 9} {
		name = binary.LittleEndian.AppendUint64(name, word)
	}
	digest := sha256.Sum256(name)
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(digest[4*i:]) }
	s := New(42, "probe", 8, 9)
	for block := range uint32(3) {
		for i, want := range philox([4]uint32{block, 0, word(2), word(3)}, [2]uint32{word(0), word(1)}) {
			if got := s.Uint32(); got != want {
				t.Fatalf("block %d word %d: got %08x, want %08x", block, i, got, want)
			}
		}
	}
}

// The lower half of the counter carries into its second word.
func TestCounterCarries(t *testing.T) {
	s := New(1, "carry")
	s.blocks = 1<<32 - 1
	s.Uint64()
	s.Uint64()
	want := philox([4]uint32{0, 1, s.high[0], s.high[1]}, s.key)
	if got := s.Uint32(); got != want[0] {
		t.Errorf("after 2^32 blocks: got %08x, want %08x", got, want[0])
	}
}

func TestNamesDoNotCollide(t *testing.T) {
	seen := map[uint64]string{}
	for name, s := range map[string]*Stream{
		"1":                                New(1, ""),
		"2":                                New(2, ""),
		"1 a":                              New(1, "a"),
		"1 ab":                             New(1, "ab"),
		"1 a 0":                            New(1, "a", 0),
		"1 a 0 0":                          New(1, "a", 0, 0),
		"1 a 1":                            New(1, "a", 1),
		"1 a 0 1":                          New(1, "a", 0, 1),
		"1 a 1 0":                          New(1, "a", 1, 0),
		"1 zero":                           New(1, "a\x00"),
		"1 purpose that looks like a path": New(1, "a\x00\x00\x00\x00\x00\x00\x00\x00"),
	} {
		v := s.Uint64()
		if other, dup := seen[v]; dup {
			t.Errorf("streams %q and %q start with the same draw", name, other)
		}
		seen[v] = name
	}
}

func TestResetStartsAgainWithoutAllocating(t *testing.T) {
	s := New(1, "x", 2, 3)
	first := s.Uint64()
	s.Normal()
	s.Reset(1, "x", 2, 3)
	if got := s.Uint64(); got != first {
		t.Errorf("after Reset: got %x, want %x", got, first)
	}
	var fresh Stream
	fresh.Reset(1, "x", 2, 3)
	fresh.Uint64()
	if got, want := s.Normal(), fresh.Normal(); got != want {
		t.Errorf("Reset kept the spare normal: got %v, want %v", got, want)
	}
	path := []uint64{2, 3}
	if n := testing.AllocsPerRun(100, func() { s.Reset(1, "x", path...) }); n != 0 {
		t.Errorf("Reset allocates %v times", n)
	}
}

func TestFloatsAreMultiplesInTheUnitInterval(t *testing.T) {
	s := New(1, "floats")
	for range 10000 {
		if v := s.Float64(); v < 0 || v >= 1 || v*0x1p53 != math.Trunc(v*0x1p53) {
			t.Fatalf("Float64 = %v", v)
		}
		if v := s.Float32(); v < 0 || v >= 1 || v*0x1p24 != float32(math.Trunc(float64(v*0x1p24))) {
			t.Fatalf("Float32 = %v", v)
		}
	}
}

// chiSquare is the usual statistic of equally likely bins.
func chiSquare(bins []int) float64 {
	total := 0
	for _, n := range bins {
		total += n
	}
	mean := float64(total) / float64(len(bins))
	sum := 0.0
	for _, n := range bins {
		sum += (float64(n) - mean) * (float64(n) - mean) / mean
	}
	return sum
}

func TestBelowIsUniform(t *testing.T) {
	s := New(1, "below")
	bins := make([]int, 101)
	for range 100_000 {
		bins[s.Below(len(bins))]++
	}
	// The 99.99% quantile of chi square with 100 degrees of freedom is 161.3.
	if x := chiSquare(bins); x > 161.3 {
		t.Errorf("chi square %.1f", x)
	}
	if got := s.Below(1); got != 0 {
		t.Errorf("Below(1) = %d", got)
	}
}

// With a bound of 3 * 2^61 a plain remainder or product would be off by a third; rejection must mend that.
func TestBelowRejects(t *testing.T) {
	s := New(1, "reject")
	bins := make([]int, 3)
	for range 30_000 {
		bins[s.Below(3<<61)>>61]++
	}
	// The 99.99% quantile of chi square with 2 degrees of freedom is 18.4.
	if x := chiSquare(bins); x > 18.4 {
		t.Errorf("chi square %.1f of thirds %v", x, bins)
	}
}

func TestPermIsUniform(t *testing.T) {
	s := New(1, "perm")
	bins := map[[4]int32]int{}
	for range 24_000 {
		bins[[4]int32(s.Perm(4))]++
	}
	if len(bins) != 24 {
		t.Fatalf("%d permutations of 4, want 24", len(bins))
	}
	counts := make([]int, 0, 24)
	for _, n := range bins {
		counts = append(counts, n)
	}
	// The 99.99% quantile of chi square with 23 degrees of freedom is 55.1.
	if x := chiSquare(counts); x > 55.1 {
		t.Errorf("chi square %.1f", x)
	}
}

func TestShuffleKeepsElements(t *testing.T) {
	x := []int32{5, 5, 7, 9, 11}
	New(1, "shuffle").Shuffle(x)
	slices.Sort(x)
	if !slices.Equal(x, []int32{5, 5, 7, 9, 11}) {
		t.Errorf("shuffled into %v", x)
	}
	New(1, "shuffle").Shuffle(nil)
}

func TestPermIsGolden(t *testing.T) {
	if got, want := New(1, "perm", 5).Perm(12), []int32{7, 3, 8, 10, 5, 9, 2, 6, 4, 1, 11, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
