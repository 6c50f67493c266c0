package shard

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// ErrPartition is wrapped by every error of Split.
var ErrPartition = errors.New("impossible partition")

// MaxDraws is how often a random partition is drawn before a shard without an example is refused.
const MaxDraws = 100

// Shards holds the examples of each shard, in ascending order. No example is in two shards.
type Shards [][]int32

// Partition is a way to split a training set into shards: IID, Contiguous, LabelShards, Labels, Dirichlet, Quantity, Natural
// or Explicit. The zero value of each has its meaning in its own comment.
type Partition interface {
	// String returns the name of the partition as the spec spells it.
	String() string
	// assign gives every example a shard, or none. It may leave shards empty; Split sees to that.
	assign(in *input) ([]int32, error)
	// random tells whether another draw may come out otherwise.
	random() bool
}

// none is the shard of an example that is not used.
const none = -1

// input is what a partition may look at.
type input struct {
	n, count int
	labels   []int32 // nil for regression
	classes  int
	groups   []int32 // nil: none are known
	given    Shards  // nil: no lists were loaded
	seed     uint64
	draw     uint64 // 0, then up to MaxDraws-1 while a shard is empty
}

// stream returns the draws of one part of a partition.
func (in *input) stream(p Partition, part uint64) *keyed.Stream {
	return keyed.New(in.seed, "partition/"+p.String(), in.draw, part)
}

// SizesError says that a partition left a shard without an example. It wraps ErrPartition.
type SizesError struct {
	Partition string
	Sizes     []int // examples of each shard in the last draw
	Draws     int   // how often it was drawn
}

func (e *SizesError) Error() string {
	sizes, more := e.Sizes, ""
	if len(sizes) > 50 {
		sizes, more = sizes[:50], " and more"
	}
	empty := 0
	for _, n := range e.Sizes {
		if n == 0 {
			empty++
		}
	}
	draws := ""
	if e.Draws > 1 {
		draws = fmt.Sprintf(" after %d draws", e.Draws)
	}
	return fmt.Sprintf("%v: %s leaves %d of %d shards without an example%s, sizes %v%s",
		ErrPartition, e.Partition, empty, len(e.Sizes), draws, sizes, more)
}

// Unwrap returns ErrPartition.
func (e *SizesError) Unwrap() error { return ErrPartition }

// Split splits the first limit examples of the training set (0, or more than there are = all) into count shards.
// A random partition that leaves a shard empty is drawn again, up to MaxDraws times in all, then refused as a *SizesError;
// each draw has a key of its own, so that the result depends on the seed alone.
func Split(p Partition, train *Set, count, limit int, seed uint64) (Shards, error) {
	in := &input{
		n: train.N, count: count, labels: train.Labels, classes: train.Classes, groups: train.Groups, given: train.Given, seed: seed,
	}
	if limit < 0 {
		return nil, fmt.Errorf("%w: limit is %d, want 0 or more", ErrPartition, limit)
	}
	if limit > 0 && limit < in.n {
		in.n = limit
		in.labels = in.labels[:min(limit, len(in.labels))]
		in.groups = in.groups[:min(limit, len(in.groups))]
	}
	if count < 1 || count > in.n {
		return nil, fmt.Errorf("%w: %d shards of %d examples, want 1 to %d", ErrPartition, count, in.n, in.n)
	}
	draws := 1
	if p.random() {
		draws = MaxDraws
	}
	var shards Shards
	for ; in.draw < uint64(draws); in.draw++ {
		owners, err := p.assign(in)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrPartition, p, err)
		}
		if shards = group(owners, count); !slices.Contains(shards.Sizes(), 0) {
			return shards, nil
		}
	}
	return nil, &SizesError{Partition: p.String(), Sizes: shards.Sizes(), Draws: draws}
}

// group lists each shard's examples, all in one array.
func group(owners []int32, count int) Shards {
	sizes := make([]int, count)
	used := 0
	for _, k := range owners {
		if k != none {
			sizes[k]++
			used++
		}
	}
	room := make([]int32, used)
	shards := make(Shards, count)
	for k, n := range sizes {
		shards[k], room = room[:0:n], room[n:]
	}
	for i, k := range owners {
		if k != none {
			shards[k] = append(shards[k], int32(i))
		}
	}
	return shards
}

// Sizes returns the number of examples of each shard.
func (s Shards) Sizes() []int {
	sizes := make([]int, len(s))
	for k, examples := range s {
		sizes[k] = len(examples)
	}
	return sizes
}

// unassigned returns owners for n examples, all none.
func unassigned(n int) []int32 {
	owners := make([]int32, n)
	for i := range owners {
		owners[i] = none
	}
	return owners
}

// part returns the bounds of piece i when n things are cut into pieces whose sizes differ by at most one, larger ones first.
func part(n, pieces, i int) (from, to int) {
	small, larger := n/pieces, n%pieces
	from = i*small + min(i, larger)
	to = from + small
	if i < larger {
		to++
	}
	return from, to
}

// byClass lists the examples of each class in ascending order.
func (in *input) byClass() ([][]int32, error) {
	if in.labels == nil {
		return nil, fmt.Errorf("needs class labels, and the training set has none")
	}
	return group(in.labels, in.classes), nil
}
