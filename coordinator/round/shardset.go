package round

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrShardSet is wrapped by every error of NewShardSet.
var ErrShardSet = errors.New("invalid shard set")

// Range is a run of shards, First and Last included.
type Range struct{ First, Last int }

// ShardSet says which shards a worker can serve. It is immutable; the zero value holds no shard.
type ShardSet struct {
	all    bool
	ranges []Range // ascending, disjoint, not adjacent
}

// AllShards returns the set of every shard, whatever the run's number of shards is.
func AllShards() ShardSet { return ShardSet{all: true} }

// NewShardSet returns the union of the ranges, which may overlap and come in any order.
func NewShardSet(ranges ...Range) (ShardSet, error) {
	sorted := slices.Clone(ranges)
	for _, r := range sorted {
		if r.First < 0 || r.Last < r.First {
			return ShardSet{}, fmt.Errorf("%w: range %d-%d, want 0 <= first <= last", ErrShardSet, r.First, r.Last)
		}
	}
	slices.SortFunc(sorted, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	var merged []Range
	for _, r := range sorted {
		if n := len(merged); n > 0 && r.First-1 <= merged[n-1].Last {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return ShardSet{ranges: merged}, nil
}

// All tells whether the set was made by AllShards.
func (s ShardSet) All() bool { return s.all }

// Contains tells whether the shard is in the set.
func (s ShardSet) Contains(shard int) bool {
	if s.all {
		return shard >= 0
	}
	_, found := slices.BinarySearchFunc(s.ranges, shard, func(r Range, shard int) int {
		switch {
		case r.Last < shard:
			return -1
		case r.First > shard:
			return 1
		}
		return 0
	})
	return found
}

// String returns "all", "none", or the ranges as in "0-3 7".
func (s ShardSet) String() string {
	if s.all {
		return "all"
	}
	return formatRanges(s.ranges, len(s.ranges))
}

// among returns the positions in invited (ascending) of the shards in s, or nil when s holds every shard.
func (s ShardSet) among(invited []int) bitset {
	if s.all {
		return nil
	}
	b := newBitset(len(invited))
	for _, r := range s.ranges {
		from, _ := slices.BinarySearch(invited, r.First)
		for i := from; i < len(invited) && invited[i] <= r.Last; i++ {
			b.add(i)
		}
	}
	return b
}

// maxRangesSaid bounds the length of a reason that lists shards.
const maxRangesSaid = 8

// inWords returns ascending shards as "0-3 7", cut after maxRangesSaid ranges: reasons go to logs and records.
func inWords(shards []int) string {
	return formatRanges(ranges(shards), maxRangesSaid)
}

func ranges(shards []int) []Range {
	var rs []Range
	for _, s := range shards {
		if n := len(rs); n > 0 && rs[n-1].Last+1 == s {
			rs[n-1].Last = s
			continue
		}
		rs = append(rs, Range{s, s})
	}
	return rs
}

func formatRanges(rs []Range, limit int) string {
	if len(rs) == 0 {
		return "none"
	}
	var b strings.Builder
	for i, r := range rs {
		if i == limit {
			fmt.Fprintf(&b, " and %d more", sizeOf(rs[i:]))
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(r.First))
		if r.Last > r.First {
			b.WriteString("-" + strconv.Itoa(r.Last))
		}
	}
	return b.String()
}

func sizeOf(rs []Range) int {
	n := 0
	for _, r := range rs {
		n += r.Last - r.First + 1
	}
	return n
}

// counted returns "shard 7" or "shards 0-3 7".
func counted(shards []int) string {
	if len(shards) == 1 {
		return "shard " + inWords(shards)
	}
	return "shards " + inWords(shards)
}
