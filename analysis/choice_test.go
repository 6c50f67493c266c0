package analysis

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestMeasuredShards(t *testing.T) {
	participants := []int{40, 3, 17, 99, 8, 21}
	ascending := []int{3, 8, 17, 21, 40, 99}
	for _, limit := range []int{6, 7, 1000} {
		if got := MeasuredShards(1, 1, participants, limit); !slices.Equal(got, ascending) {
			t.Errorf("limit %d: %v, want all, ascending", limit, got)
		}
	}
	for _, limit := range []int{0, -1} {
		if got := MeasuredShards(1, 1, participants, limit); len(got) != 0 {
			t.Errorf("limit %d: %v, want none", limit, got)
		}
	}
	if !slices.Equal(participants, []int{40, 3, 17, 99, 8, 21}) {
		t.Errorf("participants were changed: %v", participants)
	}
}

// The choice is written into records, so it must never change: raise the numerics version when this test has to.
func TestMeasuredShardsGolden(t *testing.T) {
	participants := make([]int, 20)
	for i := range participants {
		participants[i] = i
	}
	got := fmt.Sprint(MeasuredShards(1, 1, participants, 4), MeasuredShards(1, 2, participants, 4), MeasuredShards(2, 1, participants, 4))
	if want := "[3 8 15 16] [0 2 14 19] [7 11 12 14]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMeasuredShardsIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		participants := rapid.SliceOfNDistinct(rapid.IntRange(0, 1000), 0, 30, rapid.ID).Draw(t, "participants")
		seed, round := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 100).Draw(t, "round")
		limit := rapid.IntRange(0, 8).Draw(t, "limit")
		shuffled := rapid.Permutation(participants).Draw(t, "shuffled")

		got := MeasuredShards(seed, round, participants, limit)
		if again := MeasuredShards(seed, round, shuffled, limit); !slices.Equal(got, again) {
			t.Fatalf("%v, in another order %v", got, again)
		}
		if len(got) != min(limit, len(participants)) || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("%v is no ascending choice of at most %d of %v", got, limit, participants)
		}
		for _, shard := range got {
			if !slices.Contains(participants, shard) {
				t.Fatalf("%d does not take part", shard)
			}
		}
	})
}

// Every shard is chosen about equally often: 4,000 rounds, 2 of 5, expectation 1,600, standard deviation 31.
func TestMeasuredShardsIsFair(t *testing.T) {
	counts := map[int]int{}
	for round := range 4000 {
		for _, shard := range MeasuredShards(3, round, []int{0, 1, 2, 3, 4}, 2) {
			counts[shard]++
		}
	}
	for shard := range 5 {
		if n := counts[shard]; n < 1600-5*31 || n > 1600+5*31 {
			t.Errorf("shard %d chosen %d times of 4000, want about 1600", shard, n)
		}
	}
}
