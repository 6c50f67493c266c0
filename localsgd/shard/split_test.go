package shard

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// randomSet draws labels for up to 300 examples in up to 6 classes.
func randomSet(t *rapid.T) *Set {
	classes := rapid.IntRange(1, 6).Draw(t, "classes")
	labels := rapid.SliceOfN(rapid.Int32Range(0, int32(classes-1)), 1, 300).Draw(t, "labels")
	return &Set{N: len(labels), Labels: labels, Classes: classes, Outputs: classes}
}

func partitions() []Partition {
	return []Partition{
		IID{}, Contiguous{}, LabelShards{PerShard: 2}, Labels{PerShard: 2},
		Dirichlet{Alpha: 0.5}, Dirichlet{Alpha: 0.5, Form: ByShard}, Dirichlet{Alpha: MinAlpha, Form: ByShard}, Dirichlet{Alpha: MaxAlpha},
	}
}

// What every partition promises, whatever the data: disjoint shards in ascending order, in range, none empty, and the
// same again from the same seed.
func TestSplitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := randomSet(t)
		count := rapid.IntRange(1, 12).Draw(t, "count")
		limit := rapid.IntRange(0, 320).Draw(t, "limit")
		seed := rapid.Uint64().Draw(t, "seed")
		p := rapid.SampledFrom(partitions()).Draw(t, "partition")
		shards, err := Split(p, set, count, limit, seed)
		if err != nil {
			if !errors.Is(err, ErrPartition) {
				t.Errorf("error %v does not wrap ErrPartition", err)
			}
			return
		}
		n := set.N
		if limit > 0 && limit < n {
			n = limit
		}
		checkShards(t, p, shards, n, count)
		again, err := Split(p, set, count, limit, seed)
		if err != nil || !slices.EqualFunc(shards, again, slices.Equal[[]int32]) {
			t.Errorf("%v: another result from the same seed (%v)", p, err)
		}
	})
}

func checkShards(t *rapid.T, p Partition, shards Shards, n, count int) {
	seen := make([]bool, n)
	used := 0
	for k, examples := range shards {
		if len(examples) == 0 || !slices.IsSorted(examples) {
			t.Errorf("%v: shard %d is %v", p, k, examples)
		}
		for _, i := range examples {
			if int(i) >= n || seen[i] {
				t.Fatalf("%v: example %d twice or beyond %d", p, i, n)
			}
			seen[i] = true
			used++
		}
	}
	_, labels := p.(Labels) // the only one of these that may leave labels out
	if len(shards) != count || (used != n && !labels) {
		t.Errorf("%v: %d of %d examples in %d of %d shards", p, used, n, len(shards), count)
	}
	sizes := shards.Sizes()
	dirichlet, ok := p.(Dirichlet)
	equal := p.String() == "iid" || p.String() == "contiguous" || (ok && dirichlet.Form == ByShard)
	if equal && !slices.Equal(sizes, evenSizes(n, count)) {
		t.Errorf("%v: sizes %v", p, sizes)
	}
}

// evenSizes differ by at most one, larger ones first.
func evenSizes(n, count int) []int {
	sizes := make([]int, count)
	for i := range n {
		sizes[i%count]++
	}
	return sizes
}

// balanced is a set of perClass examples of each class, in turns.
func balanced(classes, perClass int) *Set {
	s := &Set{N: classes * perClass, Classes: classes, Outputs: classes}
	for i := range s.N {
		s.Labels = append(s.Labels, int32(i%classes))
	}
	return s
}

func mustSplit(t testing.TB, p Partition, set *Set, count int, seed uint64) Shards {
	t.Helper()
	shards, err := Split(p, set, count, 0, seed)
	if err != nil {
		t.Fatal(err)
	}
	return shards
}

func TestIIDIsAFunctionOfTheSeed(t *testing.T) {
	set := balanced(2, 50)
	a, b := mustSplit(t, IID{}, set, 4, 1), mustSplit(t, IID{}, set, 4, 2)
	if slices.EqualFunc(a, b, slices.Equal[[]int32]) {
		t.Error("two seeds, one partition")
	}
}

// Golden values of 20 examples with labels i % 4 in three shards, seed 1. Those of iid, label_shards and labels come from
// an independent implementation. Changing them raises the numerics version.
func TestSplitGolden(t *testing.T) {
	set := balanced(4, 5)
	cases := []struct {
		name string
		p    Partition
		want string
	}{
		{"iid", IID{}, "[[0 5 6 7 8 12 15] [3 4 9 10 11 18 19] [1 2 13 14 16 17]]"},
		{"label_shards", LabelShards{PerShard: 2}, "[[0 4 8 11 12 15 19] [2 3 7 13 17 18] [1 5 6 9 10 14 16]]"},
		{"labels", Labels{PerShard: 2}, "[[1 2 5 10 14 17] [0 3 4 7 8 11 12 15 16 19] [6 9 13 18]]"},
		{"by_class", Dirichlet{Alpha: 0.3}, "[[1] [0 2 6 8 12 13 14 16 18] [3 4 5 7 9 10 11 15 17 19]]"},
		{"by_shard", Dirichlet{Alpha: 0.3, Form: ByShard}, "[[1 5 6 9 10 13 17] [0 2 4 8 12 14 18] [3 7 11 15 16 19]]"},
	}
	for _, c := range cases {
		if got := fmt.Sprint(mustSplit(t, c.p, set, 3, 1)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestContiguousSizes(t *testing.T) {
	set := balanced(2, 10)
	shards := mustSplit(t, Contiguous{Sizes: []int{3, 1, 4}}, set, 3, 1)
	if fmt.Sprint(shards) != "[[0 1 2] [3] [4 5 6 7]]" {
		t.Errorf("shards %v", shards)
	}
	shards = mustSplit(t, Contiguous{}, &Set{N: 7}, 3, 1)
	if fmt.Sprint(shards) != "[[0 1 2] [3 4] [5 6]]" {
		t.Errorf("shards %v", shards)
	}
}

// McMahan et al.: 200 slices of 300 examples of one label each, two a shard.
func TestLabelShardsOfThePaper(t *testing.T) {
	set := balanced(10, 6000)
	shards := mustSplit(t, LabelShards{PerShard: 2}, set, 100, 1)
	perClass := make([]int, 10)
	for k, row := range Counts(shards, set.Labels, 10) {
		for c, n := range row {
			if n%300 != 0 {
				t.Errorf("shard %d has %d examples of label %d, want slices of 300", k, n, c)
			}
			perClass[c] += n
		}
		if len(shards[k]) != 600 || present(row) > 2 {
			t.Errorf("shard %d: %v", k, row)
		}
	}
	if slices.Min(perClass) != 6000 {
		t.Errorf("examples used per label: %v", perClass)
	}
}

func TestLabelsGivesExactlyK(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := rapid.IntRange(1, 8).Draw(t, "classes")
		k := rapid.IntRange(1, classes).Draw(t, "k")
		count := rapid.IntRange(1, 30).Draw(t, "count")
		set := balanced(classes, 40)
		shards, err := Split(Labels{PerShard: k}, set, count, 0, rapid.Uint64().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		used := 0
		holders := make([]int, classes)
		for i, row := range Counts(shards, set.Labels, classes) {
			if present(row) != k {
				t.Errorf("shard %d has labels %v, want %d of them", i, row, k)
			}
			for c, n := range row {
				used += n
				if n > 0 {
					holders[c]++
				}
			}
		}
		if slices.Max(holders)-slices.Min(holders) > 1 {
			t.Errorf("shards per label %v differ by more than one", holders)
		}
		if want := min(classes, count*k) * 40; used != want {
			t.Errorf("%d examples used, want %d", used, want)
		}
	})
}

func TestSplitRefuses(t *testing.T) {
	ten := balanced(2, 5)
	rare := &Set{N: 10, Classes: 2, Labels: []int32{0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}
	regression := &Set{N: 10, Outputs: 1, Targets: make([]float32, 10)}
	cases := []struct {
		name  string
		p     Partition
		set   *Set
		count int
		limit int
		want  string
	}{
		{"no shards", IID{}, ten, 0, 0, "0 shards of 10 examples, want 1 to 10"},
		{"more shards than examples", IID{}, ten, 11, 0, "11 shards of 10 examples"},
		{"more shards than the limit", IID{}, ten, 6, 5, "6 shards of 5 examples"},
		{"negative limit", IID{}, ten, 2, -1, "limit is -1"},
		{"number of sizes", Contiguous{Sizes: []int{5}}, ten, 2, 0, "contiguous: 1 sizes for 2 shards"},
		{"zero size", Contiguous{Sizes: []int{5, 0}}, ten, 2, 0, "size 0 of shard 1"},
		{"too large sizes", Contiguous{Sizes: []int{5, 6}}, ten, 2, 0, "size 6 of shard 1, with 5 of 10 examples left"},
		{"huge size", Contiguous{Sizes: []int{5, math.MaxInt}}, ten, 2, 0, "of shard 1, with 5 of 10"},
		{"no slices", LabelShards{}, ten, 2, 0, "label_shards: per_shard 0 with 2 shards of 10 examples, want 1 to 5"},
		{"too many slices", LabelShards{PerShard: 6}, ten, 2, 0, "per_shard 6"},
		{"regression by label slices", LabelShards{PerShard: 1}, regression, 2, 0, "needs class labels"},
		{"regression by labels", Labels{PerShard: 1}, regression, 2, 0, "labels: needs class labels"},
		{"regression by dirichlet", Dirichlet{Alpha: 1}, regression, 2, 0, "dirichlet: needs class labels"},
		{"more labels than there are", Labels{PerShard: 3}, ten, 2, 0, "per_shard 3 of 2 labels, want 1 to 2"},
		{"rare label", Labels{PerShard: 2}, rare, 2, 0, "label 1 has 1 examples for 2 shards, after 100 draws"},
		{"alpha 0", Dirichlet{}, ten, 2, 0, "alpha 0, want 1e-06 to 1e+06"},
		{"alpha NaN", Dirichlet{Alpha: math.NaN()}, ten, 2, 0, "alpha NaN"},
		{"form", Dirichlet{Alpha: 1, Form: 2}, ten, 2, 0, "form Form(2), want by_class or by_shard"},
	}
	for _, c := range cases {
		_, err := Split(c.p, c.set, c.count, c.limit, 1)
		if !errors.Is(err, ErrPartition) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestEmptyShardIsRefusedWithSizes(t *testing.T) {
	// One class at a tiny alpha goes to a single shard in every draw.
	_, err := Split(Dirichlet{Alpha: MinAlpha}, balanced(1, 50), 3, 0, 1)
	var sizes *SizesError
	if !errors.As(err, &sizes) || !errors.Is(err, ErrPartition) || sizes.Draws != MaxDraws {
		t.Fatalf("error %v, want a SizesError after %d draws", err, MaxDraws)
	}
	if slices.Max(sizes.Sizes) != 50 || !strings.Contains(err.Error(), fmt.Sprint(sizes.Sizes)) {
		t.Errorf("error %v with sizes %v", err, sizes.Sizes)
	}
}

// A hundred shards of few classes at a small alpha come out empty at first; another draw helps.
func TestEmptyShardIsDrawnAgain(t *testing.T) {
	set := balanced(10, 40)
	redrawn := false
	for seed := range uint64(20) {
		in := &input{n: set.N, count: 20, labels: set.Labels, classes: 10, seed: seed}
		owners, err := Dirichlet{Alpha: 0.2}.assign(in)
		if err != nil {
			t.Fatal(err)
		}
		redrawn = redrawn || slices.Contains(group(owners, 20).Sizes(), 0)
		if shards := mustSplit(t, Dirichlet{Alpha: 0.2}, set, 20, seed); slices.Contains(shards.Sizes(), 0) {
			t.Errorf("seed %d: sizes %v", seed, shards.Sizes())
		}
	}
	if !redrawn {
		t.Error("no first draw had an empty shard: this test shows nothing")
	}
}
