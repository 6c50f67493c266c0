package shard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNatural(t *testing.T) {
	set := &Set{N: 8, Groups: []int32{2, 0, 2, 1, 0, 2, 4, 1}} // no group 3
	for _, c := range []struct {
		count, limit int
		want         string
	}{
		{4, 0, "[[1 4] [3 7] [0 2 5] [6]]"},
		{1, 0, "[[0 1 2 3 4 5 6 7]]"},
		{3, 6, "[[1 4] [3] [0 2 5]]"},
	} {
		shards, err := Split(Natural{By: "user"}, set, c.count, c.limit, 1)
		if got := fmt.Sprint(shards); err != nil || got != c.want {
			t.Errorf("%d shards, limit %d: %s, %v, want %s", c.count, c.limit, got, err, c.want)
		}
	}
	_, err := Split(Natural{By: "user"}, set, 5, 0, 1)
	if !errors.Is(err, ErrPartition) || !strings.Contains(err.Error(), `natural: 5 shards of 4 groups by "user", want 1 to 4`) {
		t.Errorf("more shards than groups: %v", err)
	}
	if _, err := Split(Natural{By: "user"}, balanced(2, 5), 2, 0, 1); !errors.Is(err, ErrPartition) || !strings.Contains(err.Error(), `needs groups by "user"`) {
		t.Errorf("no groups: %v", err)
	}
}

// Groups stay whole, every example is used, and shards hold equally many groups, to one.
func TestNaturalKeepsGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.SliceOfN(rapid.Int32Range(0, 20), 1, 200).Draw(t, "groups")
		present := len(slices.Compact(slices.Sorted(slices.Values(groups))))
		count := rapid.IntRange(1, present).Draw(t, "count")
		shards, err := Split(Natural{}, &Set{N: len(groups), Groups: groups}, count, 0, rapid.Uint64().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		holder := map[int32]int{}
		held := make([]int, count)
		used := 0
		for k, examples := range shards {
			for _, i := range examples {
				used++
				if other, ok := holder[groups[i]]; !ok {
					holder[groups[i]] = k
					held[k]++
				} else if other != k {
					t.Fatalf("group %d is in shards %d and %d", groups[i], other, k)
				}
			}
		}
		if used != len(groups) || slices.Max(held)-slices.Min(held) > 1 {
			t.Errorf("%d of %d examples, groups a shard %v", used, len(groups), held)
		}
	})
}

func TestNaturalIsAFunctionOfTheSeed(t *testing.T) {
	set := &Set{N: 40, Groups: make([]int32, 40)}
	for i := range set.Groups {
		set.Groups[i] = int32(i)
	}
	a, b, c := mustSplit(t, Natural{}, set, 4, 1), mustSplit(t, Natural{}, set, 4, 1), mustSplit(t, Natural{}, set, 4, 2)
	if fmt.Sprint(a) != fmt.Sprint(b) || fmt.Sprint(a) == fmt.Sprint(c) {
		t.Errorf("seed 1: %v and %v, seed 2: %v", a, b, c)
	}
}
