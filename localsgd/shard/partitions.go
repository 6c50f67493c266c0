package shard

import (
	"fmt"
	"slices"
)

// IID deals the examples out by one keyed permutation. Sizes differ by at most one; the first shards have the larger ones.
type IID struct{}

func (IID) String() string { return "iid" }
func (IID) random() bool   { return true }

func (p IID) assign(in *input) ([]int32, error) {
	owners := make([]int32, in.n)
	order := in.stream(p, 0).Perm(in.n)
	for k := range in.count {
		from, to := part(in.n, in.count, k)
		for _, i := range order[from:to] {
			owners[i] = int32(k)
		}
	}
	return owners, nil
}

// Contiguous gives shard k the next block of the training set, without a shuffle. Without Sizes the blocks are equal, up to
// one example more for the first ones; with Sizes, one for each shard, examples beyond their sum are not used.
type Contiguous struct{ Sizes []int }

func (Contiguous) String() string { return "contiguous" }
func (Contiguous) random() bool   { return false }

func (p Contiguous) assign(in *input) ([]int32, error) {
	owners := unassigned(in.n)
	if p.Sizes != nil && len(p.Sizes) != in.count {
		return nil, fmt.Errorf("%d sizes for %d shards", len(p.Sizes), in.count)
	}
	from, to := 0, 0
	for k := range in.count {
		if p.Sizes == nil {
			from, to = part(in.n, in.count, k)
		} else {
			from = to
			if p.Sizes[k] < 1 || p.Sizes[k] > in.n-from {
				return nil, fmt.Errorf("size %d of shard %d, with %d of %d examples left", p.Sizes[k], k, in.n-from, in.n)
			}
			to = from + p.Sizes[k]
		}
		for i := from; i < to; i++ {
			owners[i] = int32(k)
		}
	}
	return owners, nil
}

// LabelShards is the non-IID split of McMahan et al. 2017: the examples, sorted stably by label, are cut into
// count x PerShard slices whose sizes differ by at most one (larger ones first), and a keyed permutation of the slices is
// dealt out, PerShard in a row to each shard. Every example is used.
type LabelShards struct{ PerShard int }

func (LabelShards) String() string { return "label_shards" }
func (LabelShards) random() bool   { return true }

func (p LabelShards) assign(in *input) ([]int32, error) {
	if p.PerShard < 1 || p.PerShard > in.n/in.count {
		return nil, fmt.Errorf("per_shard %d with %d shards of %d examples, want 1 to %d", p.PerShard, in.count, in.n, in.n/in.count)
	}
	classes, err := in.byClass()
	if err != nil {
		return nil, err
	}
	sorted := slices.Concat(classes...)
	owners := make([]int32, in.n)
	slots := in.count * p.PerShard
	for slot, slice := range in.stream(p, 0).Perm(slots) {
		from, to := part(in.n, slots, int(slice))
		for _, i := range sorted[from:to] {
			owners[i] = int32(slot / p.PerShard)
		}
	}
	return owners, nil
}

// Labels gives every shard examples of exactly PerShard labels.
//
// Labels are dealt from a keyed shuffled deck of all labels that occur; when the deck is empty the next shuffled one
// follows, and a shard passes over labels that it has, which stay in the deck. So the numbers of shards that share a label
// differ by at most one. Then the examples of each label, in keyed order, are cut among its shards in ascending order into pieces
// whose sizes differ by at most one (larger ones first). Every example is used if count x PerShard reaches the number of
// labels; otherwise the labels that were not dealt are not used. A label with fewer examples than shards to share it means
// another draw, and after MaxDraws a refusal.
type Labels struct{ PerShard int }

func (Labels) String() string { return "labels" }
func (Labels) random() bool   { return true }

func (p Labels) assign(in *input) ([]int32, error) {
	classes, err := in.byClass()
	if err != nil {
		return nil, err
	}
	var present []int32
	for c, examples := range classes {
		if len(examples) > 0 {
			present = append(present, int32(c))
		}
	}
	if p.PerShard < 1 || p.PerShard > len(present) {
		return nil, fmt.Errorf("per_shard %d of %d labels, want 1 to %d", p.PerShard, len(present), len(present))
	}
	holders := p.deal(in, present)
	owners := unassigned(in.n)
	for _, c := range present {
		examples := classes[c]
		in.stream(p, 1+uint64(c)).Shuffle(examples)
		for j, k := range holders[c] {
			from, to := part(len(examples), len(holders[c]), j)
			if from == to {
				return p.tooFew(in, c, len(examples), len(holders[c]))
			}
			for _, i := range examples[from:to] {
				owners[i] = k
			}
		}
	}
	return owners, nil
}

// tooFew asks for another draw by leaving everything unassigned, and gives up at the last one.
func (p Labels) tooFew(in *input, label int32, examples, shards int) ([]int32, error) {
	if in.draw < MaxDraws-1 {
		return unassigned(in.n), nil
	}
	return nil, fmt.Errorf("label %d has %d examples for %d shards, after %d draws", label, examples, shards, MaxDraws)
}

// deal returns the shards of each label, ascending.
func (p Labels) deal(in *input, present []int32) map[int32][]int32 {
	stream := in.stream(p, 0)
	holders := map[int32][]int32{}
	var deck []int32
	for slot := range in.count * p.PerShard {
		k := int32(slot / p.PerShard)
		other := func(c int32) bool { return len(holders[c]) == 0 || holders[c][len(holders[c])-1] != k }
		at := slices.IndexFunc(deck, other)
		if at < 0 {
			next := slices.Clone(present)
			stream.Shuffle(next)
			deck = append(deck, next...)
			at = slices.IndexFunc(deck, other)
		}
		holders[deck[at]] = append(holders[deck[at]], k)
		deck = slices.Delete(deck, at, at+1)
	}
	return holders
}
