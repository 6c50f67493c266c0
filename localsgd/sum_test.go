package localsgd

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"pgregory.net/rapid"
)

func testLayout(t testing.TB, descs ...tensor.Desc) *tensor.Layout {
	t.Helper()
	if len(descs) == 0 {
		descs = []tensor.Desc{{Name: "0.weight", Shape: []int{7, 5}}, {Name: "0.bias", Shape: []int{7}}, {Name: "2.weight", Shape: []int{3, 7}}}
	}
	l, err := tensor.NewLayout(descs)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wild draws values of very different size, with zeros of both signs and subnormals among them.
func wild(s *keyed.Stream, n, minExp, maxExp int) []float32 {
	x := make([]float32, n)
	for i := range x {
		switch s.Below(12) {
		case 0:
			x[i] = 0
		case 1:
			x[i] = float32(math.Copysign(0, -1))
		case 2:
			x[i] = math.Float32frombits(uint32(s.Below(1 << 23)))
		default:
			x[i] = float32(math.Ldexp(2*s.Float64()-1, minExp+s.Below(maxExp-minExp+1)))
		}
	}
	return x
}

// oracle computes the mean from the definition with exact rationals: each update's share is rounded to the grid, halves
// away from zero; the quotient is rounded once.
func oracle(g *Grid, shares []Share, ends [][]float32, exact bool) []float32 {
	mean := make([]float32, g.layout.Size())
	total := new(big.Int)
	for _, s := range shares {
		total.Add(total, big.NewInt(int64(s.Weight)))
	}
	for _, t := range g.tensors {
		quantum := pow2(t.quantum)
		for j := t.Offset; j < t.Offset+t.Size; j++ {
			sum := new(big.Rat)
			for i, s := range shares {
				share := new(big.Rat).SetFloat64(float64(ends[i][j]))
				share.Mul(share, new(big.Rat).SetFrac(big.NewInt(int64(s.Weight)), big.NewInt(1<<weightBits)))
				if !exact {
					share.Quo(share, quantum)
					share = new(big.Rat).SetInt(roundAway(share))
					share.Mul(share, quantum)
				}
				sum.Add(sum, share)
			}
			sum.Quo(sum, new(big.Rat).SetFrac(total, big.NewInt(1<<weightBits)))
			mean[j], _ = sum.Float32()
		}
	}
	return mean
}

func pow2(e int) *big.Rat {
	r := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(max(e, -e))))
	if e < 0 {
		r.Inv(r)
	}
	return r
}

func roundAway(r *big.Rat) *big.Int {
	num := new(big.Int).Abs(r.Num())
	num.Lsh(num, 1).Add(num, r.Denom())
	num.Quo(num, new(big.Int).Lsh(r.Denom(), 1))
	if r.Sign() < 0 {
		num.Neg(num)
	}
	return num
}

func meanOf(t testing.TB, g *Grid, shares []Share, ends [][]float32) []float32 {
	t.Helper()
	s := NewSum(g)
	for i := range shares {
		if err := s.Add(shares[i], ends[i]); err != nil {
			t.Fatal(err)
		}
	}
	mean := make([]float32, g.layout.Size())
	if err := s.Mean(mean); err != nil {
		t.Fatal(err)
	}
	return mean
}

func bitsOf(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i := range x {
		b[i] = math.Float32bits(x[i])
	}
	return b
}

// normalZeros drops the sign of zeros, which rationals do not have.
func normalZeros(x []float32) []float32 {
	for i := range x {
		if x[i] == 0 {
			x[i] = 0
		}
	}
	return x
}

func drawUpdates(rt *rapid.T, layout *tensor.Layout) (*Grid, []Share, [][]float32) {
	s := keyed.New(rapid.Uint64().Draw(rt, "seed"), "test")
	scale := rapid.IntRange(-30, 30).Draw(rt, "scale")
	start := wild(s, layout.Size(), scale-20, scale)
	for i := range layout.Len() {
		start[layout.At(i).Offset] = float32(math.Ldexp(1, scale)) // which fixes the range of each tensor
	}
	g := NewGrid(layout, start)
	n := rapid.IntRange(2, 9).Draw(rt, "updates")
	examples := make([]int, n)
	for i := range examples {
		examples[i] = 1 + s.Below(100000)
	}
	weights := Weights(examples, Weighting(rapid.IntRange(0, 1).Draw(rt, "weighting")))
	shares, ends := make([]Share, n), make([][]float32, n)
	for i := range shares {
		shares[i] = Share{Shard: 3*i + 1, Weight: weights[i]}
		ends[i] = wild(s, layout.Size(), -60, max(0, scale)+9)
	}
	return g, shares, ends
}

func TestMeanEqualsRationalOracle(t *testing.T) {
	layout := testLayout(t)
	rapid.Check(t, func(rt *rapid.T) {
		g, shares, ends := drawUpdates(rt, layout)
		got := meanOf(t, g, shares, ends)
		if want := oracle(g, shares, ends, false); !slices.Equal(bitsOf(got), bitsOf(normalZeros(want))) {
			rt.Fatalf("mean\n%v\noracle\n%v", got, want)
		}
	})
}

// The grid's rounding stays within n * 2^-53 * max(1, max|start|) of the exact mean, before its own rounding to float32.
func TestMeanIsWithinStatedErrorOfExactMean(t *testing.T) {
	layout := testLayout(t)
	rapid.Check(t, func(rt *rapid.T) {
		g, shares, ends := drawUpdates(rt, layout)
		got, want := meanOf(t, g, shares, ends), oracle(g, shares, ends, true)
		for _, tt := range g.tensors {
			// Half a quantum for each update; the sum of the weights is at least one less 2^-47.
			bound := float64(len(shares)) * math.Ldexp(0.5, tt.quantum) * (1 + 1e-9)
			for j := tt.Offset; j < tt.Offset+tt.Size; j++ {
				ulp := math.Abs(float64(math.Nextafter32(want[j], math.MaxFloat32)) - float64(want[j]))
				if diff := math.Abs(float64(got[j]) - float64(want[j])); diff > bound+ulp {
					rt.Fatalf("%s: %g instead of %g: off by %g, at most %g + %g", tt.Name, got[j], want[j], diff, bound, ulp)
				}
			}
		}
	})
}

func TestMeanDoesNotDependOnOrderOrGrouping(t *testing.T) {
	layout := testLayout(t)
	rapid.Check(t, func(rt *rapid.T) {
		g, shares, ends := drawUpdates(rt, layout)
		want := meanOf(t, g, shares, ends)
		total := NewSum(g)
		order := rapid.Permutation(indices(len(shares))).Draw(rt, "order")
		for len(order) > 0 {
			n := rapid.IntRange(1, len(order)).Draw(rt, "group")
			part := NewSum(g)
			for _, i := range order[:n] {
				if err := part.Add(shares[i], ends[i]); err != nil {
					rt.Fatal(err)
				}
			}
			order = order[n:]
			if rapid.Bool().Draw(rt, "as bytes") {
				mergeBytes(rt, total, part)
			} else if err := total.Merge(part); err != nil {
				rt.Fatal(err)
			}
		}
		got := make([]float32, layout.Size())
		if err := total.Mean(got); err != nil {
			rt.Fatal(err)
		}
		if !slices.Equal(bitsOf(got), bitsOf(want)) {
			rt.Fatalf("mean by groups\n%v\nin order\n%v", got, want)
		}
	})
}

func indices(n int) []int {
	x := make([]int, n)
	for i := range x {
		x[i] = i
	}
	return x
}

func mergeBytes(rt *rapid.T, total, part *Sum) {
	var buf bytes.Buffer
	g := total.Grid()
	shares := slices.Clone(part.Shares())
	if end := part.Single(); end != nil {
		for c := range tensor.Chunks(end, 64) {
			buf.Write(c)
		}
		if err := g.CheckUpdate(bytes.NewReader(buf.Bytes())); err != nil {
			rt.Fatal(err)
		}
		if err := total.AddFrom(shares[0], &buf); err != nil {
			rt.Fatal(err)
		}
		return
	}
	if n, err := part.WriteTo(&buf); err != nil || n != g.SumBytes() {
		rt.Fatalf("wrote %d bytes of %d: %v", n, g.SumBytes(), err)
	}
	if err := g.CheckSum(bytes.NewReader(buf.Bytes()), shares); err != nil {
		rt.Fatal(err)
	}
	if err := total.MergeFrom(shares, &buf); err != nil {
		rt.Fatal(err)
	}
}

func TestSingleUpdateIsTakenAsItIs(t *testing.T) {
	layout := testLayout(t)
	s := keyed.New(1, "test")
	end := wild(s, layout.Size(), -140, 3)
	got := meanOf(t, NewGrid(layout, make([]float32, layout.Size())), []Share{{Shard: 4, Weight: One / 3}}, [][]float32{end})
	if !slices.Equal(bitsOf(got), bitsOf(end)) {
		t.Errorf("mean of one update\n%v\nis not it\n%v", got, end)
	}
}

// At the very edge of the range no sum overflows, whatever the number of updates.
func TestSumsHoldTheWholeRange(t *testing.T) {
	layout := testLayout(t)
	start := make([]float32, layout.Size())
	for i := range start {
		start[i] = 1.5
	}
	g := NewGrid(layout, start)
	const n = 64
	shares, ends := make([]Share, n), make([][]float32, n)
	for i := range shares {
		shares[i] = Share{Shard: i, Weight: One / n}
		ends[i] = make([]float32, layout.Size())
		for _, tt := range g.tensors {
			for j := tt.Offset; j < tt.Offset+tt.Size; j++ {
				ends[i][j] = -tt.limit
			}
		}
	}
	for i, got := range meanOf(t, g, shares, ends) {
		if got != ends[0][i] {
			t.Fatalf("mean of %d times %g is %g", n, ends[0][i], got)
		}
	}
}

func TestSumRefuses(t *testing.T) {
	layout := testLayout(t)
	g := NewGrid(layout, make([]float32, layout.Size()))
	end := func(at int, v float32) []float32 {
		x := make([]float32, layout.Size())
		x[at] = v
		return x
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name  string
		share Share
		end   []float32
		want  error
	}{
		{"NaN", Share{1, One / 4}, end(3, inf-inf), ErrRange},
		{"infinity", Share{1, One / 4}, end(36, inf), ErrRange},
		{"a weight beyond 1024", Share{1, One / 4}, end(0, -1024.1), ErrRange},
		{"a shard twice", Share{0, One / 4}, end(0, 1), ErrOverlap},
		{"too short", Share{1, One / 4}, end(0, 1)[1:], ErrPayload},
		{"no weight", Share{1, 0}, end(0, 1), ErrPayload},
		{"more than a whole", Share{1, One}, end(0, 1), ErrPayload},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSum(g)
			if err := s.Add(Share{0, One / 4}, end(0, 2)); err != nil {
				t.Fatal(err)
			}
			if err := s.Add(c.share, c.end); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if s.Len() != 1 || s.Weight() != One/4 {
				t.Errorf("the refused update left %d updates of weight %d", s.Len(), s.Weight())
			}
		})
	}
	if err := NewSum(g).Mean(end(0, 0)); !errors.Is(err, ErrNoUpdates) {
		t.Errorf("mean of nothing: %v", err)
	}
}

func TestCheckSumRefusesImpossibleIntegers(t *testing.T) {
	layout := testLayout(t)
	g := NewGrid(layout, make([]float32, layout.Size()))
	shares := []Share{{0, One / 8}, {1, One / 8}}
	for _, c := range []struct {
		name string
		word int
		v    uint64
		want error
	}{
		{"matrix within its share", 0, 1 << 59, nil},
		{"matrix beyond its share", 0, 1 << 61, ErrPayload},
		{"negative beyond", 1, 1 << 63, ErrPayload},
		{"high word of a bias", 35 + 1, 1 << 58, ErrPayload},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSum(g)
			s.widen()
			s.words[c.word] = c.v
			var buf bytes.Buffer
			if _, err := s.WriteTo(&buf); err != nil {
				t.Fatal(err)
			}
			if err := g.CheckSum(&buf, shares); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestWeightsAddUpToAtMostOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		examples := rapid.SliceOfN(rapid.IntRange(1, 1<<31), 1, 200).Draw(rt, "examples")
		var total, whole float64
		sum := Weight(0)
		for _, n := range examples {
			whole += float64(n)
		}
		for i, w := range Weights(examples, ByExamples) {
			sum += w
			total = float64(examples[i]) / whole
			// Rounded down to a multiple of 2^-50; float64 rounds the quotient here.
			if d := total - w.Float(); d < -1e-15 || d > 2e-15 {
				rt.Fatalf("weight of %d among %g is %g, want %g", examples[i], whole, w.Float(), total)
			}
		}
		if sum > One || float64(One-sum) > float64(len(examples)) {
			rt.Fatalf("weights add up to %d of %d", sum, One)
		}
	})
}
