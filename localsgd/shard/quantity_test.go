package shard

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Sizes by hand: shares 1, 1/2, 1/3, 1/4 of 100 are 48, 24, 16, 12; e^-k of 100 in three are 66.5, 24.5, 9.0.
func TestQuantitySizes(t *testing.T) {
	for _, c := range []struct {
		p     Quantity
		n, k  int
		sizes string
	}{
		{Quantity{Power, 1}, 100, 4, "[48 24 16 12]"},
		{Quantity{Power, 0}, 10, 4, "[3 3 2 2]"},
		{Quantity{Power, 2}, 49, 3, "[36 9 4]"},
		{Quantity{Exponential, 1}, 100, 3, "[67 24 9]"},
		{Quantity{Exponential, math.Ln2}, 70, 3, "[40 20 10]"},
		{Quantity{Exponential, 0}, 7, 7, "[1 1 1 1 1 1 1]"},
	} {
		shards := mustSplit(t, c.p, &Set{N: c.n}, c.k, 1)
		if got := fmt.Sprint(shards.Sizes()); got != c.sizes {
			t.Errorf("%v %v of %d: sizes %s, want %s", c.p.Law, c.p.Rate, c.n, got, c.sizes)
		}
	}
}

// Against exact arithmetic, for whole powers: every example once, sizes that fall and are less than one off.
func TestQuantityProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		power := rapid.IntRange(0, 3).Draw(t, "power")
		k := rapid.IntRange(1, 12).Draw(t, "k")
		n := rapid.IntRange(k*2000, k*4000).Draw(t, "n")
		shards, err := Split(Quantity{Power, float64(power)}, &Set{N: n}, k, 0, rapid.Uint64().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Sorted(slices.Values(slices.Concat(shards...)))
		if len(all) != n || all[0] != 0 || int(all[n-1]) != n-1 || len(slices.Compact(all)) != n {
			t.Fatalf("%d of %d examples", len(all), n)
		}
		sum := new(big.Rat)
		shares := make([]*big.Rat, k)
		for i := range shares {
			base := new(big.Int).Exp(big.NewInt(int64(i+1)), big.NewInt(int64(power)), nil)
			shares[i] = new(big.Rat).SetFrac(big.NewInt(1), base)
			sum.Add(sum, shares[i])
		}
		for i, share := range shares {
			share.Quo(share, sum)
			exact, _ := share.Mul(share, new(big.Rat).SetInt64(int64(n))).Float64()
			if off := math.Abs(float64(len(shards[i])) - exact); off >= 1+1e-9 {
				t.Errorf("shard %d has %d examples, its share is %v", i, len(shards[i]), exact)
			}
			if i > 0 && len(shards[i]) > len(shards[i-1]) {
				t.Errorf("sizes %v do not fall", shards.Sizes())
			}
		}
	})
}

// The contents are a fair draw: over 400 seeds the first shard of 60 of 100 examples, half of which have label 0, has 30 of
// them on average, with the variance of the hypergeometric distribution, 60 x 1/4 x 40/99 = 6.06.
func TestQuantityContents(t *testing.T) {
	set := balanced(2, 50)
	const seeds = 400
	var mean, square float64
	for seed := range uint64(seeds) {
		zeros := float64(Counts(mustSplit(t, Quantity{Exponential, math.Log(1.5)}, set, 2, seed), set.Labels, 2)[0][0])
		mean += zeros / seeds
		square += zeros * zeros / seeds
	}
	variance := 60. / 4 * 40 / 99
	// 4 standard errors of the mean; the sample variance of 400 draws scatters by 7 percent.
	if got := square - mean*mean; math.Abs(mean-30) > 4*math.Sqrt(variance/seeds) || math.Abs(got/variance-1) > 0.28 {
		t.Errorf("mean %v, variance %v, want 30, %v", mean, got, variance)
	}
}

func TestQuantityRefuses(t *testing.T) {
	_, err := Split(Quantity{Power, 5}, &Set{N: 100}, 10, 0, 1)
	var sizes *SizesError
	if !errors.As(err, &sizes) || fmt.Sprint(sizes.Sizes) != "[97 3 0 0 0 0 0 0 0 0]" {
		t.Errorf("a share of nothing: %v", err)
	}
	for _, p := range []Quantity{{Power, -1}, {Power, 101}, {Exponential, math.NaN()}, {2, 1}} {
		if _, err := Split(p, &Set{N: 100}, 2, 0, 1); !errors.Is(err, ErrPartition) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := Split(Quantity{Exponential, 100}, &Set{N: 5}, 5, 0, 1); !errors.As(err, &sizes) {
		t.Errorf("underflowing shares: %v", err)
	}
}
