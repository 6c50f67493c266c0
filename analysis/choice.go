package analysis

import (
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// MeasuredShards returns which of a round's participants are measured: at most limit of them (checks.drift.shards),
// drawn without replacement by (seed, "measured", round), ascending. The choice depends on the set of participants and
// not on their order or on who serves them. The participants must differ from one another and are not changed.
func MeasuredShards(seed uint64, round int, participants []int, limit int) []int {
	chosen := slices.Clone(participants)
	slices.Sort(chosen)
	if limit >= len(chosen) {
		return chosen
	}
	limit = max(limit, 0)
	stream := keyed.New(seed, "measured", uint64(round))
	for i := range limit {
		j := i + stream.Below(len(chosen)-i)
		chosen[i], chosen[j] = chosen[j], chosen[i]
	}
	chosen = chosen[:limit]
	slices.Sort(chosen)
	return chosen
}
