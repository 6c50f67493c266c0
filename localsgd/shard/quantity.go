package shard

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/detmath"
)

// Law is how the sizes of Quantity's shards fall.
type Law int

const (
	// Power makes the share of shard k proportional to (k+1)^-Rate (Zipf's law).
	Power Law = iota
	// Exponential makes it proportional to e^(-Rate k).
	Exponential
)

// String returns the name of the law as the spec spells it.
func (l Law) String() string {
	switch l {
	case Power:
		return "power"
	case Exponential:
		return "exponential"
	}
	return fmt.Sprintf("Law(%d)", int(l))
}

// MaxRate bounds Quantity's Rate; long before it, the second shard of two has no example.
const MaxRate = 100

// Quantity makes shards of unequal sizes and like contents: the examples, in keyed order, are cut into blocks whose sizes
// follow a law, shard 0 taking the largest. The sizes do not depend on the seed: each is its exact share of the examples,
// rounded down, and the examples that this leaves go one each to the largest remainders (lower shards first), so that every
// example is used and no size is a whole example away from its share. A shard whose share comes to nothing is refused.
type Quantity struct {
	Law  Law
	Rate float64 // 0 to MaxRate; 0 makes equal sizes
}

func (Quantity) String() string { return "quantity" }
func (Quantity) random() bool   { return false }

func (p Quantity) assign(in *input) ([]int32, error) {
	if !(p.Rate >= 0 && p.Rate <= MaxRate) {
		return nil, fmt.Errorf("%v %v, want 0 to %v", p.Law, p.Rate, MaxRate)
	}
	shares, err := p.shares(in.count)
	if err != nil {
		return nil, err
	}
	owners := make([]int32, in.n)
	order := in.stream(p, 0).Perm(in.n)
	for k, size := range apportion(in.n, shares) {
		for _, i := range order[:size] {
			owners[i] = int32(k)
		}
		order = order[size:]
	}
	return owners, nil
}

// shares returns weights that fall from 1.
func (p Quantity) shares(count int) ([]float64, error) {
	shares := make([]float64, count)
	for k := range shares {
		switch p.Law {
		case Power:
			shares[k] = detmath.Pow(float64(k+1), -p.Rate)
		case Exponential:
			shares[k] = detmath.Exp(float64(-p.Rate * float64(k)))
		default:
			return nil, fmt.Errorf("law %v, want %v or %v", p.Law, Power, Exponential)
		}
	}
	return shares, nil
}

// apportion cuts n into whole parts in proportion to shares, which are not negative and not all zero, by the method of the
// largest remainders.
func apportion(n int, shares []float64) []int {
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	sizes := make([]int, len(shares))
	rest := make([]float64, len(shares))
	order := make([]int, len(shares))
	left := n
	for k, s := range shares {
		exact := float64(float64(n) * s / sum)
		sizes[k] = min(int(math.Floor(exact)), left) // min: whatever rounding adds up to
		rest[k] = exact - float64(sizes[k])
		order[k] = k
		left -= sizes[k]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rest[b], rest[a]) })
	for i := range left {
		sizes[order[i%len(order)]]++
	}
	return sizes
}
