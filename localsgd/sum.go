package localsgd

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Share is one task's part in a sum: its shard and its weight.
type Share struct {
	Shard  int
	Weight Weight
}

// Errors of Sum. ErrOverlap: a shard would count twice. ErrNoUpdates: a mean of nothing. ErrPayload: bytes that cannot
// be an update or a sum on this grid.
var (
	ErrOverlap   = errors.New("shard counts already")
	ErrNoUpdates = errors.New("no update to average")
	ErrPayload   = errors.New("payload does not fit")
)

// Sum is the exact weighted sum of updates on a grid. Sums of disjoint shards may be merged in any order and grouping;
// the mean that comes out is the same bit for bit.
//
// A single update is kept as it is, in float32, until a second one comes, and the mean of one update is that update.
// A Sum is not safe for concurrent use. Its buffers live on through Reset.
type Sum struct {
	grid   *Grid
	shares []Share // ascending by shard
	total  Weight
	single []float32 // the one update, while there is only one
	summed bool      // the updates are in words, not in single
	words  []uint64  // integers by tensor: one word an element, or two (low, high) where the tensor is wide
}

// NewSum returns an empty sum on the grid.
func NewSum(g *Grid) *Sum {
	s := &Sum{}
	s.Reset(g)
	return s
}

// Reset empties the sum and puts it on another grid, keeping its buffers.
func (s *Sum) Reset(g *Grid) {
	s.grid, s.shares, s.total, s.summed = g, s.shares[:0], 0, false
}

// Lend gives an empty sum the block that will keep its single update. Mean may be given the same block as its destination.
func (s *Sum) Lend(block []float32) {
	if len(s.shares) > 0 || len(block) != s.grid.layout.Size() {
		panic("localsgd: lending a block to a sum that is not empty, or of another size")
	}
	s.single = block
}

// Grid returns the grid that the sum is on.
func (s *Sum) Grid() *Grid { return s.grid }

// Len returns the number of updates in the sum.
func (s *Sum) Len() int { return len(s.shares) }

// Weight returns the total weight of the updates in the sum.
func (s *Sum) Weight() Weight { return s.total }

// Shares returns the tasks in the sum, ascending by shard. The slice is the sum's own.
func (s *Sum) Shares() []Share { return s.shares }

// Single returns the update of a sum that has just one, aliasing the sum, and nil otherwise.
func (s *Sum) Single() []float32 {
	if len(s.shares) != 1 {
		return nil
	}
	return s.single
}

// Add adds one update. It returns a *RangeError for values that cannot be averaged and ErrOverlap for a shard that is in
// the sum already; then the sum is as before. end is only read.
func (s *Sum) Add(task Share, end []float32) error {
	if len(end) != s.grid.layout.Size() {
		return fmt.Errorf("%w: update of %d values, want %d", ErrPayload, len(end), s.grid.layout.Size())
	}
	if err := s.grid.Check(end); err != nil {
		return err
	}
	if err := s.Admits([]Share{task}); err != nil {
		return err
	}
	if len(s.shares) == 0 {
		s.single = append(s.single[:0], end...)
	} else {
		s.widen()
		s.accumulate(task.Weight, end)
	}
	s.note([]Share{task})
	return nil
}

// Merge adds the updates of another sum on an equal grid, which is only read.
func (s *Sum) Merge(o *Sum) error {
	if o.Len() == 0 {
		return nil
	}
	if o.Len() == 1 {
		return s.Add(o.shares[0], o.single)
	}
	if !slices.Equal(s.grid.Quanta(), o.grid.Quanta()) {
		return fmt.Errorf("%w: sums on different grids", ErrPayload)
	}
	if err := s.Admits(o.shares); err != nil {
		return err
	}
	s.widen()
	for i := range s.grid.tensors {
		t := &s.grid.tensors[i]
		t.addWords(s.words[t.word:t.word+t.words()], o.words[t.word:t.word+t.words()])
	}
	s.note(o.shares)
	return nil
}

// Admits returns nil when the shares could be added: ErrOverlap when one counts already or is named twice, ErrPayload
// when the weights would exceed a whole.
func (s *Sum) Admits(shares []Share) error {
	total := s.total
	seen := make(map[int]bool, len(shares))
	for _, n := range shares {
		if _, found := s.find(n.Shard); found || seen[n.Shard] {
			return fmt.Errorf("%w: shard %d", ErrOverlap, n.Shard)
		}
		if n.Weight == 0 || n.Weight > One-total {
			return fmt.Errorf("%w: weight %d of shard %d beside a total of %d", ErrPayload, n.Weight, n.Shard, total)
		}
		seen[n.Shard] = true
		total += n.Weight
	}
	return nil
}

func (s *Sum) note(shares []Share) {
	for _, n := range shares {
		at, _ := s.find(n.Shard)
		s.shares = slices.Insert(s.shares, at, n)
		s.total += n.Weight
	}
}

func (s *Sum) find(shard int) (int, bool) {
	return slices.BinarySearchFunc(s.shares, shard, func(n Share, shard int) int { return n.Shard - shard })
}

// widen turns the sum to integers, taking along the single update that it may hold.
func (s *Sum) widen() {
	if s.summed {
		return
	}
	s.words = slices.Grow(s.words[:0], s.grid.words())[:s.grid.words()]
	clear(s.words)
	s.summed = true
	if len(s.shares) == 1 {
		s.accumulate(s.shares[0].Weight, s.single)
	}
}

func (s *Sum) accumulate(w Weight, end []float32) {
	for i := range s.grid.tensors {
		t := &s.grid.tensors[i]
		t.addValues(s.words[t.word:], w, tensor.Of(end, t.View))
	}
}

// addValues adds values times w to the leading words.
func (t *gridTensor) addValues(words []uint64, w Weight, values []float32) {
	if !t.wide {
		kernel.AddFixed(words[:len(values)], uint64(w), values, t.quantum+weightBits)
		return
	}
	for j, x := range values {
		a := int128{words[2*j], int64(words[2*j+1])}.add(quantiseWide(w, x, t.quantum))
		words[2*j], words[2*j+1] = a.lo, uint64(a.hi)
	}
}

func (t *gridTensor) addWords(words, more []uint64) {
	if !t.wide {
		for j, x := range more {
			words[j] += x
		}
		return
	}
	for j := 0; j < len(more); j += 2 {
		a := int128{words[j], int64(words[j+1])}.add(int128{more[j], int64(more[j+1])})
		words[j], words[j+1] = a.lo, uint64(a.hi)
	}
}

// Mean writes the weighted mean of the updates in the sum to dst, each element rounded once to float32. It returns
// ErrNoUpdates for an empty sum. The sum stays as it is.
func (s *Sum) Mean(dst []float32) error {
	if len(s.shares) == 0 {
		return ErrNoUpdates
	}
	if !s.summed {
		copy(dst, s.single)
		return nil
	}
	for i := range s.grid.tensors {
		t := &s.grid.tensors[i]
		t.mean(tensor.Of(dst, t.View), s.words[t.word:t.word+t.words()], s.total)
	}
	return nil
}

func (t *gridTensor) mean(dst []float32, words []uint64, total Weight) {
	if !t.wide {
		ratios(dst, words, t.quantum, total)
		return
	}
	for j := range dst {
		dst[j] = ratio(int128{words[2*j], int64(words[2*j+1])}, t.quantum, total)
	}
}
