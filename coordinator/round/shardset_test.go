package round

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestShardSet(t *testing.T) {
	tests := []struct {
		name   string
		ranges []Range
		want   string
	}{
		{"nothing", nil, "none"},
		{"one shard", []Range{{3, 3}}, "3"},
		{"out of order", []Range{{7, 9}, {0, 2}}, "0-2 7-9"},
		{"overlapping", []Range{{0, 5}, {3, 4}, {5, 8}}, "0-8"},
		{"adjacent", []Range{{4, 5}, {0, 3}}, "0-5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := NewShardSet(tt.ranges...)
			if err != nil || s.String() != tt.want || s.All() {
				t.Errorf("got %q, all %t, error %v, want %q", s, s.All(), err, tt.want)
			}
		})
	}
	if s := AllShards(); !s.All() || s.String() != "all" || !s.Contains(1<<40) || s.Contains(-1) {
		t.Errorf("the set of all shards is %q", s)
	}
}

func TestShardSetRefuses(t *testing.T) {
	for _, r := range []Range{{-1, 3}, {3, 2}} {
		if _, err := NewShardSet(Range{0, 9}, r); !errors.Is(err, ErrShardSet) {
			t.Errorf("range %v gives %v, want ErrShardSet", r, err)
		}
	}
}

// TestShardSetContains compares a set with the plain meaning of its ranges, for all shards and among the invited.
func TestShardSetContains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rs []Range
		for range rapid.IntRange(0, 6).Draw(t, "ranges") {
			first := rapid.IntRange(0, 150).Draw(t, "first")
			rs = append(rs, Range{first, first + rapid.IntRange(0, 20).Draw(t, "more")})
		}
		s, err := NewShardSet(rs...)
		if err != nil {
			t.Fatal(err)
		}
		invited := rapid.SliceOfDistinct(rapid.IntRange(0, 200), rapid.ID[int]).Draw(t, "invited")
		slices.Sort(invited)
		among := s.among(invited)
		for i, shard := range invited {
			want := slices.ContainsFunc(rs, func(r Range) bool { return r.First <= shard && shard <= r.Last })
			if s.Contains(shard) != want || among.has(i) != want {
				t.Fatalf("%v contains %d: %t, among the invited %t, want %t", s, shard, s.Contains(shard), among.has(i), want)
			}
		}
	})
}

func TestInWordsIsBounded(t *testing.T) {
	var odd []int
	for s := 1; s < 1000; s += 2 {
		odd = append(odd, s)
	}
	if got, want := inWords(odd), "1 3 5 7 9 11 13 15 and 492 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
