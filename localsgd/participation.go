package localsgd

import (
	"math"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Participation says how many shards take part in a round, and how they are drawn. The zero value is everyone.
type Participation struct {
	Partial  bool    // by Fraction or Count; otherwise every shard
	Fraction float64 // of the shards, 0..1, when Count is 0
	Count    int
	BySize   bool // the chance to be drawn is proportional to the number of examples; otherwise all are alike
	// Over, from 1, is how many times as many are invited; the round is content with the first Size answers. 0 is 1.
	Over float64
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
		return min(max(1, halfUp(float64(p.Fraction*float64(shards)))), shards)
	}
}

// Invited returns how many shards are invited to a round: Over x Size rounded half up, and never more than there are.
func (p Participation) Invited(shards int) int {
	size := p.Size(shards)
	if p.Over <= 1 {
		return size
	}
	return min(max(size, halfUp(min(float64(p.Over*float64(size)), float64(shards)))), shards)
}

func halfUp(x float64) int { return int(math.Floor(x + 0.5)) }

// Draw returns the shards that are invited to a round, of examples[k] examples each, in the order in which they were drawn
// by (seed, round): without replacement, all alike or, with BySize, as drawBySize has it. Where everyone is invited the order
// is that of the shards.
func (p Participation) Draw(seed uint64, round int, examples []int) []int {
	n, shards := p.Invited(len(examples)), len(examples)
	switch {
	case n == shards:
		return inOrder(shards)
	case p.BySize:
		return drawBySize(keyed.New(seed, "participants/size", uint64(round)), examples, n)
	}
	return ints(keyed.New(seed, "participants", uint64(round)).Perm(shards)[:n])
}

func inOrder(n int) []int {
	all := make([]int, n)
	for k := range all {
		all[k] = k
	}
	return all
}

func ints(list []int32) []int {
	out := make([]int, len(list))
	for i, k := range list {
		out[i] = int(k)
	}
	return out
}

// drawBySize draws n different shards so that shard k is among them with probability exactly n x examples[k] / their sum:
// systematic sampling in random order (Madow 1949). All shards are laid out in a keyed order on a line, each as long as n
// times its examples, and whoever lies under one of n points is drawn; the points are as far from each other as there are
// examples, and the first is uniform. Shards for which that would be 1 or more are certain, and the rest is drawn among the
// others. It is integer arithmetic throughout.
func drawBySize(s *keyed.Stream, examples []int, n int) []int {
	certain := certainBySize(examples, n)
	var chosen, others []int32
	total := 0
	for _, k := range s.Perm(len(examples)) {
		if certain[k] {
			chosen = append(chosen, k)
		} else {
			others = append(others, k)
			total += examples[k]
		}
	}
	if left := n - len(chosen); left > 0 {
		chosen = append(chosen, systematic(others, examples, left, s.Below(total))...)
	}
	s.Shuffle(chosen)
	return ints(chosen)
}

// systematic returns those of the shards in this order that lie under one of n points, of which point is the first. No shard
// is longer than the points are apart.
func systematic(order []int32, examples []int, n, point int) []int32 {
	total := 0
	for _, k := range order {
		total += examples[k]
	}
	var drawn []int32
	end := 0
	for _, k := range order {
		if end += n * examples[k]; point < end {
			drawn = append(drawn, k)
			point += total
		}
	}
	return drawn
}

// certainBySize tells which shards take part in every draw of n by size: those that have at least an n-th of all examples,
// and then again those that have their share of what the others have left.
func certainBySize(examples []int, n int) []bool {
	certain := make([]bool, len(examples))
	total := 0
	for _, size := range examples {
		total += size
	}
	for again := true; again; {
		again = false
		rest, left := total, n
		for k, size := range examples {
			if !certain[k] && left*size >= rest && left > 0 {
				certain[k], again = true, true
				total -= size
				n--
			}
		}
	}
	return certain
}

// sharesBySize returns what the participants of a draw by size count in a mean by examples, in any unit: the examples of
// each over the probability that it was drawn. All that were not certain count alike: size has decided how often they take
// part. Then the mean over a draw is, on average over draws, the mean over all shards by examples (Horvitz and Thompson
// 1952; with replacement it is scheme I of Li et al. 2020, "On the convergence of FedAvg on non-IID data").
func sharesBySize(examples []int, n int) []uint64 {
	certain := certainBySize(examples, n)
	rest, left := uint64(0), uint64(n)
	for k, size := range examples {
		if certain[k] {
			left--
		} else {
			rest += uint64(size)
		}
	}
	shares := make([]uint64, len(examples))
	for k, size := range examples {
		if shares[k] = rest; certain[k] {
			shares[k] = uint64(size) * max(left, 1)
		}
	}
	return shares
}
