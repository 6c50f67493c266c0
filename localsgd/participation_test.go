package localsgd

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// draw draws among ten shards alike.
func draw(p Participation, round int) []int { return p.Draw(5, round, make([]int, 10)) }

func distinct(shards []int) []int {
	sorted := slices.Clone(shards)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

func TestParticipantsAreKeyed(t *testing.T) {
	for _, c := range []struct {
		p    Participation
		want int
	}{
		{Participation{}, 10},
		{Participation{Partial: true, Fraction: 0}, 1},
		{Participation{Partial: true, Fraction: 0.25}, 3}, // 2.5 is rounded half up
		{Participation{Partial: true, Fraction: 1}, 10},
		{Participation{Partial: true, Count: 4}, 4},
		{Participation{Partial: true, Count: 40}, 10},
	} {
		if got := c.p.Size(10); got != c.want {
			t.Errorf("%+v of 10 shards: %d participants, want %d", c.p, got, c.want)
		}
		one, again := draw(c.p, 3), draw(c.p, 3)
		if !slices.Equal(one, again) || len(distinct(one)) != c.want {
			t.Errorf("%+v: participants %v, then %v", c.p, one, again)
		}
	}
	differ, four := false, Participation{Partial: true, Count: 4}
	for round := range 20 {
		differ = differ || !slices.Equal(draw(four, round), draw(four, round+1))
	}
	if !differ {
		t.Error("every round has the same participants")
	}
}

func TestInvited(t *testing.T) {
	for _, c := range []struct {
		over float64
		want int
	}{{0, 10}, {1, 10}, {1.3, 13}, {1.25, 13}, {1.24, 12}, {3, 30}, {1e300, 30}} {
		if got := (Participation{Partial: true, Count: 10, Over: c.over}).Invited(30); got != c.want {
			t.Errorf("over %g: %d invited, want %d", c.over, got, c.want)
		}
	}
}

func anySizes(t *rapid.T) []int {
	size := rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, 200))
	return rapid.SliceOfN(size, 1, 12).Draw(t, "examples")
}

// The number of first points that draw a shard, of all there are, is its probability: n x examples over their sum, in whatever
// order the shards lie.
func TestDrawsBySizeAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		examples := anySizes(t)
		n := rapid.IntRange(1, len(examples)).Draw(t, "n")
		var order []int32
		certain := certainBySize(examples, n)
		total, left := 0, n
		for _, k := range keyed.New(rapid.Uint64().Draw(t, "seed"), "order").Perm(len(examples)) {
			if certain[k] {
				left--
			} else {
				order, total = append(order, k), total+examples[k]
			}
		}
		if left < 0 || left > 0 && len(order) < left {
			t.Fatalf("%d of %d are certain among %v", n-left, n, examples)
		}
		if left == 0 {
			return
		}
		hits := make([]int, len(examples))
		for point := range total {
			drawn := systematic(order, examples, left, point)
			if len(drawn) != left {
				t.Fatalf("from point %d: %v drawn, want %d shards", point, drawn, left)
			}
			for _, k := range drawn {
				hits[k]++
			}
		}
		for _, k := range order {
			if want := left * examples[k]; hits[k] != want {
				t.Fatalf("shard %d of %v is drawn from %d of %d points, want %d", k, examples, hits[k], total, want)
			}
		}
	})
}

// Shares over probabilities: what a shard counts, times how often it is drawn, is its part of all examples. So the mean is
// right on average over rounds, and in each round the weights add up to one.
func TestMeanOverDrawsBySizeIsUnbiased(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		examples := anySizes(t)
		n := rapid.IntRange(1, len(examples)).Draw(t, "n")
		certain, shares := certainBySize(examples, n), sharesBySize(examples, n)
		all, rest, left := 0, 0, n
		for k, size := range examples {
			all += size
			if certain[k] {
				left--
			} else {
				rest += size
			}
		}
		drawn := Participation{Partial: true, Count: n, BySize: true}.Draw(rapid.Uint64().Draw(t, "seed"), 1, examples)
		if len(distinct(drawn)) != n {
			t.Fatalf("%v drawn, want %d different shards", drawn, n)
		}
		var sum uint64
		for _, k := range drawn {
			sum += shares[k]
		}
		for k, size := range examples {
			chance := 1.0
			if !certain[k] {
				chance = float64(left) * float64(size) / float64(rest)
			}
			if left == 0 && !certain[k] {
				continue
			}
			got, want := chance*float64(shares[k])/float64(sum), float64(size)/float64(all)
			if math.Abs(got-want) > 1e-12 {
				t.Fatalf("shard %d of %v counts %g on average, want %g", k, examples, got, want)
			}
		}
	})
}

// The draws of many rounds: large shards take part more often.
func TestDrawsBySizeFollowSizes(t *testing.T) {
	p := Participation{Partial: true, Count: 2, BySize: true}
	examples := []int{10, 20, 30, 40}
	hits := make([]float64, 4)
	const rounds = 20_000
	for round := range rounds {
		for _, k := range p.Draw(7, round, examples) {
			hits[k]++
		}
	}
	for k, h := range hits {
		// five standard deviations of a binomial variable are below 0.018
		if want := float64(2*examples[k]) / 100; math.Abs(h/rounds-want) > 0.018 {
			t.Errorf("shard %d took part in %.3f of the rounds, want %.3f", k, h/rounds, want)
		}
	}
}

func TestFedNovaDoesNotCountExamplesTwice(t *testing.T) {
	job := tinyJob(t, 4, Local{Schedule: shard.Schedule{Batch: 5, Epochs: 1}, SGD: SGD{LR: 0.1}})
	a := Algorithm{Rule: FedNova{LR: 1}, Participation: Participation{Partial: true, Count: 2, BySize: true}}
	if err := a.Check(job); err == nil {
		t.Error("accepted")
	}
	a.Weighting = Uniform
	if err := a.Check(job); err != nil {
		t.Error(err)
	}
}
