package shard

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func ascending(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// batches walks to the end and copies.
func batches(w *Walk) [][]int32 {
	var all [][]int32
	for b := w.Next(); b != nil; b = w.Next() {
		all = append(all, slices.Clone(b))
	}
	return all
}

// oracle is the same walk written as one long list of positions, without state.
func oracle(w *Walk, n int) [][]int32 {
	s := w.schedule
	var list []int32
	for pass := 0; len(list) < s.TotalExamples(n)+n; pass++ {
		order := slices.Clone(w.examples)
		if s.Order == Shuffle {
			w.stream.Reset(w.seed, "shuffle", uint64(w.round), uint64(w.shard), uint64(pass))
			w.stream.Shuffle(order)
		}
		list = append(list, order...)
	}
	if s.Order == Cyclic {
		list = list[(w.round-1)*s.TotalExamples(n)%n:]
	}
	var all [][]int32
	for range s.TotalSteps(n) {
		size := s.MaxBatch(n)
		if s.Epochs > 0 {
			done := 0
			for _, b := range all {
				done += len(b)
			}
			size = min(size, n-done%n)
		}
		all = append(all, list[:size])
		list = list[size:]
	}
	return all
}

func drawSchedule(t *rapid.T) Schedule {
	s := Schedule{Order: rapid.SampledFrom([]Order{Shuffle, Replacement, Cyclic, Sequential}).Draw(t, "order")}
	s.Batch = rapid.IntRange(0, 25).Draw(t, "batch")
	if rapid.Bool().Draw(t, "by epochs") {
		s.Epochs = rapid.IntRange(1, 3).Draw(t, "epochs")
	} else {
		s.Steps = rapid.IntRange(1, 9).Draw(t, "steps")
	}
	return s
}

func TestWalkAgreesWithTheOracle(t *testing.T) {
	reused := new(Walk) // its leftovers must not matter
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t)
		n := rapid.IntRange(1, 20).Draw(t, "n")
		round, shard := rapid.IntRange(1, 50).Draw(t, "round"), rapid.IntRange(0, 9).Draw(t, "shard")
		examples := ascending(n + 7)[7:]
		reused.Reset(5, round, shard, examples, s)
		got := batches(reused)
		if len(got) != reused.Steps() || len(got) != s.TotalSteps(n) {
			t.Fatalf("%d batches, %d steps announced", len(got), reused.Steps())
		}
		want := oracle(NewWalk(5, round, shard, examples, s), n)
		total := 0
		for i := range got {
			total += len(got[i])
			if n := s.Examples(n, i+1); n != total {
				t.Fatalf("%d steps take %d examples, want %d", i+1, n, total)
			}
			if s.Order == Replacement { // drawn, not listed: sizes and range
				if len(got[i]) != len(want[i]) || slices.Min(got[i]) < 7 || slices.Max(got[i]) >= int32(n+7) {
					t.Fatalf("batch %d is %v of %d examples", i, got[i], n)
				}
			} else if !slices.Equal(got[i], want[i]) {
				t.Fatalf("batch %d is %v, want %v", i, got[i], want[i])
			}
		}
		if total != s.TotalExamples(n) {
			t.Errorf("%d examples, want %d", total, s.TotalExamples(n))
		}
		if again := batches(NewWalk(5, round, shard, examples, s)); !slices.EqualFunc(got, again, slices.Equal[[]int32]) {
			t.Errorf("walked again: %v, at first %v", again, got)
		}
	})
}

func TestEpochsTakeEachExampleOnceAPass(t *testing.T) {
	for _, order := range []Order{Shuffle, Cyclic, Sequential} {
		w := NewWalk(1, 4, 2, ascending(10), Schedule{Order: order, Batch: 4, Epochs: 3})
		all := slices.Concat(batches(w)...)
		for pass := range 3 {
			examples := slices.Sorted(slices.Values(all[10*pass : 10*pass+10]))
			if !slices.Equal(examples, ascending(10)) {
				t.Errorf("%v: pass %d took %v", order, pass, examples)
			}
		}
	}
}

// Golden values: they pin the keys and the generator; an independent implementation (SHA-256, Philox4x32-10, Lemire's bound,
// Fisher-Yates) gave the same. Changing them raises the numerics version.
func TestWalkGolden(t *testing.T) {
	cases := []struct {
		round int
		s     Schedule
		want  string
	}{
		{1, Schedule{Order: Shuffle, Batch: 4, Epochs: 2}, "[[6 4 2 1] [3 0 5] [6 0 4 3] [1 5 2]]"},
		{1, Schedule{Order: Shuffle, Batch: 4, Steps: 4}, "[[6 4 2 1] [3 0 5 6] [0 4 3 1] [5 2 1 0]]"},
		{2, Schedule{Order: Shuffle, Epochs: 1}, "[[1 4 0 2 5 3 6]]"},
		{1, Schedule{Order: Replacement, Batch: 4, Epochs: 1}, "[[1 2 3 4] [2 1 3]]"},
		{2, Schedule{Order: Replacement, Batch: 5, Steps: 2}, "[[4 6 5 4 1] [4 4 4 0 4]]"},
		{1, Schedule{Order: Sequential, Batch: 4, Steps: 3}, "[[0 1 2 3] [4 5 6 0] [1 2 3 4]]"},
		{9, Schedule{Order: Sequential, Batch: 4, Steps: 3}, "[[0 1 2 3] [4 5 6 0] [1 2 3 4]]"},
		{1, Schedule{Order: Sequential, Batch: 16, Steps: 1}, "[[0 1 2 3 4 5 6 0 1 2 3 4 5 6 0 1]]"},
		{1, Schedule{Order: Sequential, Batch: 4, Epochs: 2}, "[[0 1 2 3] [4 5 6] [0 1 2 3] [4 5 6]]"},
		{1, Schedule{Order: Cyclic, Batch: 4, Steps: 2}, "[[0 1 2 3] [4 5 6 0]]"},
		{2, Schedule{Order: Cyclic, Batch: 4, Steps: 2}, "[[1 2 3 4] [5 6 0 1]]"},
		{3, Schedule{Order: Cyclic, Batch: 4, Steps: 2}, "[[2 3 4 5] [6 0 1 2]]"},
		{3, Schedule{Order: Cyclic, Steps: 2}, "[[0 1 2 3 4 5 6] [0 1 2 3 4 5 6]]"},
	}
	for _, c := range cases {
		if got := fmt.Sprint(batches(NewWalk(1, c.round, 3, ascending(7), c.s))); got != c.want {
			t.Errorf("round %d, %+v: %s, want %s", c.round, c.s, got, c.want)
		}
	}
}

func TestCyclicDoesNotOverflow(t *testing.T) {
	n := MaxExamples - 1 // even, so that the product below is far from a multiple
	s := Schedule{Order: Cyclic, Batch: MaxExamples, Steps: MaxExamples}
	// batch = steps = 1 modulo n, so that round r begins at r-1.
	for _, round := range []int{1, 2, MaxExamples - 1} {
		if got := s.cyclicStart(round, n); got != round-1 {
			t.Errorf("round %d begins at %d, want %d", round, got, round-1)
		}
	}
}

// Tasks differ in every part of their key.
func TestWalksAreIndependent(t *testing.T) {
	for _, order := range []Order{Shuffle, Replacement} {
		s := Schedule{Order: order, Batch: 32, Epochs: 1}
		seen := map[string]bool{}
		for _, k := range [][3]int{{1, 1, 0}, {2, 1, 0}, {1, 2, 0}, {1, 1, 1}} {
			seen[fmt.Sprint(batches(NewWalk(uint64(k[0]), k[1], k[2], ascending(64), s)))] = true
		}
		if len(seen) != 4 {
			t.Errorf("%v: %d different walks of 4", order, len(seen))
		}
	}
}

func TestWalkDoesNotAllocate(t *testing.T) {
	examples := ascending(600)
	for _, s := range []Schedule{
		{Order: Shuffle, Batch: 10, Epochs: 2}, {Order: Shuffle, Batch: 7, Steps: 200}, {Order: Replacement, Batch: 10, Steps: 20},
		{Order: Sequential, Batch: 7, Steps: 200}, {Order: Cyclic, Batch: 7, Steps: 200},
	} {
		w := new(Walk)
		round := 0
		task := func() {
			round++
			w.Reset(1, round, 3, examples, s)
			for w.Next() != nil {
			}
		}
		if n := testing.AllocsPerRun(20, task); n != 0 {
			t.Errorf("%+v: a task allocates %v times", s, n)
		}
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, s := range []Schedule{
		{Batch: 10}, {Epochs: 1, Steps: 1}, {Epochs: -1}, {Steps: -1, Epochs: 1}, {Batch: -1, Epochs: 1},
		{Batch: MaxExamples + 1, Epochs: 1}, {Steps: MaxExamples + 1}, {Order: 4, Epochs: 1}, {Order: -1, Epochs: 1},
	} {
		if err := s.Validate(); !errors.Is(err, ErrSchedule) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, o := range []Order{Shuffle, Replacement, Cyclic, Sequential} {
		if back, err := ParseOrder(o.String()); err != nil || back != o {
			t.Errorf("%v parses as %v, %v", o, back, err)
		}
	}
	if _, err := ParseOrder("random"); !errors.Is(err, ErrSchedule) {
		t.Errorf("order random: %v", err)
	}
}

func TestProbe(t *testing.T) {
	examples := ascending(50)[10:]
	whole := Probe(1, 3, examples, 0)
	if !slices.Equal(slices.Sorted(slices.Values(whole)), examples) {
		t.Errorf("probe of the whole shard: %v", whole)
	}
	for _, size := range []int{1, 32, 40, 41} {
		if got := Probe(1, 3, examples, size); !slices.Equal(got, whole[:min(size, 40)]) {
			t.Errorf("probe of %d: %v", size, got)
		}
	}
	if slices.Equal(Probe(1, 4, examples, 32), whole[:32]) || slices.Equal(Probe(2, 3, examples, 32), whole[:32]) {
		t.Error("another shard or seed, the same probe")
	}
	if got := fmt.Sprint(whole[:5]); got != "[16 27 19 29 30]" {
		t.Errorf("golden probe: %s", got)
	}
	if examples[0] != 10 || !slices.IsSorted(examples) {
		t.Error("Probe changed its argument")
	}
}
