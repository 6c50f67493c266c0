package localsgd

import (
	"fmt"
	"math/bits"
)

// weightBits is the grid of normalised weights: multiples of 2^-50.
const weightBits = 50

// Weight is a participant's normalised weight in a round, in units of 2^-50. The weights of a round add up to at most 1,
// and are fixed when the round is planned, so that an update's share of the sum depends on nothing else.
type Weight uint64

// One is the weight of a whole.
const One Weight = 1 << weightBits

// Float returns the weight as a number in [0, 1].
func (w Weight) Float() float64 { return float64(w) / float64(One) }

// Weighting says what a participant's update counts.
type Weighting int

// The weightings: by the number of training examples that the shard holds, or all alike.
const (
	ByExamples Weighting = iota
	Uniform
)

// Weights returns the normalised weights of participants that hold the given numbers of examples, each positive.
func Weights(examples []int, w Weighting) []Weight {
	shares := make([]uint64, len(examples))
	for i, n := range examples {
		if n <= 0 {
			panic(fmt.Sprintf("localsgd: participant %d has %d examples", i, n))
		}
		shares[i] = uint64(n)
		if w == Uniform {
			shares[i] = 1
		}
	}
	return normalised(shares)
}

// normalised returns weights in proportion to shares.
func normalised(shares []uint64) []Weight {
	var total uint64
	for _, share := range shares {
		total += share
	}
	weights := make([]Weight, len(shares))
	for i, share := range shares {
		hi, lo := bits.Mul64(share, uint64(One))
		q, _ := bits.Div64(hi, lo, total)
		weights[i] = Weight(q)
	}
	return weights
}
