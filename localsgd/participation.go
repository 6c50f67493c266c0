package localsgd

import (
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Participation says how many shards take part in a round. The zero value is everyone.
type Participation struct {
	Partial  bool    // by Fraction or Count; otherwise every shard
	Fraction float64 // of the shards, 0..1, when Count is 0
	Count    int
}

// Size returns the number of participants of a round among the given number of shards: the count, or
// max(1, fraction x shards rounded half up), and never more than there are.
func (p Participation) Size(shards int) int {
	switch {
	case !p.Partial:
		return shards
	case p.Count > 0:
		return min(p.Count, shards)
	default:
		return min(max(1, int(math.Floor(float64(p.Fraction*float64(shards))+0.5))), shards)
	}
}

// Participants returns the shards of a round in ascending order, drawn without replacement by (seed, round).
func Participants(seed uint64, round, shards int, p Participation) []int {
	chosen := make([]int, 0, p.Size(shards))
	if cap(chosen) == shards {
		for k := range shards {
			chosen = append(chosen, k)
		}
		return chosen
	}
	for _, k := range keyed.New(seed, "participants", uint64(round)).Perm(shards)[:cap(chosen)] {
		chosen = append(chosen, int(k))
	}
	slices.Sort(chosen)
	return chosen
}
