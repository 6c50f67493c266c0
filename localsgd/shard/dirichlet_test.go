package shard

import (
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

func TestDirichletWeights(t *testing.T) {
	for _, alpha := range []float64{MinAlpha / 100, 0.01, 0.3, 1, 10, MaxAlpha} {
		stream := keyed.New(1, "test")
		const draws, k = 4000, 5
		q := make([]float64, k)
		var mean, square float64
		for range draws {
			dirichlet(stream, alpha, q)
			sum := 0.0
			for _, v := range q {
				if !(v >= 0 && v <= 1) {
					t.Fatalf("alpha %v: share %v", alpha, v)
				}
				sum += v
			}
			if math.Abs(sum-1) > 1e-12 { // k roundings of shares below 1
				t.Fatalf("alpha %v: shares add up to %v", alpha, sum)
			}
			mean += q[0] / draws
			square += q[0] * q[0] / draws
		}
		// A share of Dir(alpha x k) has mean 1/k and variance (1/k)(1-1/k)/(k alpha + 1).
		variance := 1.0 / k * (1 - 1.0/k) / (k*alpha + 1)
		if got := square - mean*mean; math.Abs(mean-1.0/k) > 5*math.Sqrt(variance/draws)+1e-12 || math.Abs(got/variance-1) > 0.12 {
			// 5 standard errors of the mean; the sample variance of 4000 draws scatters by 2 to 4 percent.
			t.Errorf("alpha %v: mean %v, variance %v, want %v, %v", alpha, mean, got, 1.0/k, variance)
		}
	}
}

// Both forms go from one label a shard to the mixture of the whole as alpha grows.
func TestDirichletHeterogeneity(t *testing.T) {
	set := balanced(10, 600)
	for _, form := range []Form{ByClass, ByShard} {
		before := math.Inf(1)
		for _, alpha := range []float64{0.1, 1, 10, 1000} {
			shards := mustSplit(t, Dirichlet{Alpha: alpha, Form: form}, set, 10, 3)
			tv := Measure(Counts(shards, set.Labels, 10)).MeanTotalVariation
			if tv >= before {
				t.Errorf("%v: total variation %v at alpha %v, not below the %v of the smaller alpha", form, tv, alpha, before)
			}
			before = tv
		}
		// 600 examples in 10 classes drawn at random have a total variation of about 0.05.
		if before > 0.1 {
			t.Errorf("%v: total variation %v at alpha 1000", form, before)
		}
	}
	shards := mustSplit(t, Dirichlet{Alpha: MinAlpha, Form: ByShard}, set, 10, 3)
	if first := Counts(shards, set.Labels, 10)[0]; present(first) != 1 {
		t.Errorf("the first shard at the smallest alpha has labels %v, want one", first)
	}
}

// At a huge alpha the split by class is even, so that the boundaries floor(n (q_0 + .. + q_k)) show.
func TestDirichletByClassBoundaries(t *testing.T) {
	shards := mustSplit(t, Dirichlet{Alpha: MaxAlpha}, balanced(1, 1000), 3, 1)
	for k, n := range shards.Sizes() {
		if n < 332 || n > 335 { // 1000/3, a standard deviation of a share of 0.0003, and a floor at either end
			t.Errorf("shard %d has %d of 1000 examples", k, n)
		}
	}
}
