package localsgd

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Asynchronous is a Rule whose rounds have no plan: a round is made of the first updates that come in, and they may have
// started from models of different rounds. Buffer collects them, and AsyncRunner carries out whole runs. Its Step works on
// what Buffer puts in the mean's place; the plan that it sees has no tasks.
type Asynchronous interface {
	Rule
	// Capacity is how many updates make a round.
	Capacity() int
	// Discount returns what an update counts, in (0, 1], that started so many rounds before the newest model; 1 for 0.
	Discount(staleness int) float64
	// Oldest is the largest staleness with which an update counts.
	Oldest() int
}

// Arrival is an update that came in: that of a shard from the model of round Version. Its draws are those of Task, so that a
// shard has one update from each model at most.
type Arrival struct{ Version, Shard int }

// Task returns the task that the update is of.
func (a Arrival) Task() Task { return Task{Round: a.Version + 1, Shard: a.Shard} }

// Errors of Buffer. ErrStale: the update started too long ago, or from a model that there is not yet. ErrFull: the round has
// all its updates.
var (
	ErrStale = errors.New("update does not start from a model that counts")
	ErrFull  = errors.New("buffer is full")
)

// Buffer collects the updates of one round of an Asynchronous rule. There is an exact sum for each model that they started
// from, on that model's grid, so that what comes out does not depend on the order in which they came. What an update counts
// depends on nothing but its shard and its staleness: the number of its examples (or 1) relative to Capacity times that of the
// largest shard, discounted; the sum of the undiscounted weights is divided away at the end.
type Buffer struct {
	job       *Job
	algorithm Algorithm
	rule      Asynchronous
	largest   int // examples of the largest shard
	round     int
	parts     []bufferPart // ascending by version
	free      []*Sum
	whole     Weight // of the updates, undiscounted
	mean      []float32
	moved     []float64
}

// bufferPart is the updates that started from one model.
type bufferPart struct {
	version int
	start   []float32
	sum     *Sum
}

// NewBuffer returns the buffer of round 1, or an error if the rule is none for it.
func NewBuffer(job *Job, a Algorithm) (*Buffer, error) {
	rule, is := a.Rule.(Asynchronous)
	if !is {
		return nil, fmt.Errorf("%w: %s is not asynchronous", ErrAlgorithm, a.Rule.Name())
	}
	if err := a.Check(job); err != nil {
		return nil, err
	}
	b := &Buffer{job: job, algorithm: a, rule: rule, round: 1}
	for _, examples := range job.Shards {
		b.largest = max(b.largest, len(examples))
	}
	return b, nil
}

// Begin empties the buffer for a round. Start models that Add was given are let go of.
func (b *Buffer) Begin(round int) {
	for _, p := range b.parts {
		b.free = append(b.free, p.sum)
	}
	b.round, b.parts, b.whole = round, b.parts[:0], 0
}

// Len returns the number of updates in the buffer.
func (b *Buffer) Len() int {
	n := 0
	for _, p := range b.parts {
		n += p.sum.Len()
	}
	return n
}

// Full tells whether the round has all its updates.
func (b *Buffer) Full() bool { return b.Len() == b.rule.Capacity() }

// Admits returns nil if an update would count: ErrFull, ErrStale, or ErrOverlap where it counts already.
func (b *Buffer) Admits(a Arrival) error {
	switch {
	case b.Full():
		return fmt.Errorf("%w: round %d has %d updates", ErrFull, b.round, b.Len())
	case a.Version < 0 || a.Version >= b.round || b.staleness(a) > b.rule.Oldest():
		return fmt.Errorf("%w: that of round %d in round %d, at most %d rounds before the newest", ErrStale, a.Version, b.round, b.rule.Oldest())
	}
	if i, found := b.find(a.Version); found {
		if _, counts := b.parts[i].sum.find(a.Shard); counts {
			return fmt.Errorf("%w: shard %d from round %d", ErrOverlap, a.Shard, a.Version)
		}
	}
	return nil
}

// staleness is how many rounds before the newest model an update started.
func (b *Buffer) staleness(a Arrival) int { return b.round - 1 - a.Version }

func (b *Buffer) find(version int) (int, bool) {
	return slices.BinarySearchFunc(b.parts, version, func(p bufferPart, version int) int { return p.version - version })
}

// Add adds an update, of which start is the model that it started from: it must stay as it is until Begin. It returns what
// Admits does, and a *RangeError for values that cannot be averaged; then the buffer is as before. end is only read.
func (b *Buffer) Add(a Arrival, start, end []float32) error {
	return b.add(a, start, func(sum *Sum, share Share) error { return sum.Add(share, end) })
}

// AddFrom is Add for an update in its byte form, which Grid.CheckUpdate of start's grid has passed. After an error of r the
// buffer has to be begun anew.
func (b *Buffer) AddFrom(a Arrival, start []float32, r io.Reader) error {
	return b.add(a, start, func(sum *Sum, share Share) error { return sum.AddFrom(share, r) })
}

func (b *Buffer) add(a Arrival, start []float32, to func(*Sum, Share) error) error {
	if err := b.Admits(a); err != nil {
		return err
	}
	i, found := b.find(a.Version)
	part := bufferPart{version: a.Version, start: start}
	if found {
		part = b.parts[i]
	} else {
		part.sum = b.empty(NewGrid(b.job.Layout(), start))
	}
	if err := to(part.sum, Share{a.Shard, b.Counts(a)}); err != nil {
		if !found {
			b.free = append(b.free, part.sum)
		}
		return err
	}
	b.whole += b.Share(a.Shard)
	if !found {
		b.parts = slices.Insert(b.parts, i, part)
	}
	return nil
}

// Counts returns what an update counts in this round: that of its shard, discounted by its staleness.
func (b *Buffer) Counts(a Arrival) Weight {
	return max(1, Weight(float64(float64(b.Share(a.Shard))*b.rule.Discount(b.staleness(a)))))
}

// Share returns what a fresh update of a shard counts, so that Capacity of them are at most a whole.
func (b *Buffer) Share(k int) Weight {
	of, among := uint64(1), uint64(b.rule.Capacity())
	if b.algorithm.Weighting == ByExamples {
		of, among = uint64(len(b.job.Shards[k])), among*uint64(b.largest)
	}
	hi, lo := bits.Mul64(of, uint64(One))
	share, _ := bits.Div64(hi, lo, among)
	return Weight(share)
}

func (b *Buffer) empty(g *Grid) *Sum {
	if n := len(b.free); n > 0 {
		sum := b.free[n-1]
		b.free = b.free[:n-1]
		sum.Reset(g)
		return sum
	}
	return NewSum(g)
}

// Finish makes what is stored after the round, next, of the updates and of what was stored before it, start. It is
// Algorithm.Finish for an Asynchronous rule: buffers (running statistics) take the mean of the updates by what they count.
func (b *Buffer) Finish(start, next []float32) error {
	if len(b.parts) == 0 {
		return ErrNoUpdates
	}
	if p := b.parts[0]; p.version == b.round-1 {
		if err := p.sum.Mean(next); err != nil { // all are fresh
			return err
		}
	} else if err := b.join(start, next); err != nil {
		return err
	}
	return b.algorithm.step(b.job, Plan{Round: b.round}, nil, start, next)
}

// join puts the model plus the discounted differences in the mean's place: in float64, one model's updates after the other's,
// the oldest first, rounded once.
func (b *Buffer) join(start, next []float32) error {
	layout := b.job.Net.Layout()
	n := layout.Size()
	b.mean, b.moved = slices.Grow(b.mean[:0], n)[:n], slices.Grow(b.moved[:0], n)[:n]
	clear(b.moved)
	var counted Weight
	for _, p := range b.parts {
		counted += p.sum.Weight()
	}
	for _, p := range b.parts {
		if err := p.sum.Mean(b.mean); err != nil {
			return err
		}
		for i := range layout.Len() {
			b.move(layout.At(i), p, counted)
		}
	}
	for i := range layout.Len() {
		v := layout.At(i)
		from, moved := tensor.Of(start, v), tensor.Of(b.moved, v)
		to := tensor.Of(next, v)
		for j := range to {
			if v.Buffer {
				to[j] = float32(moved[j])
			} else {
				to[j] = float32(float64(from[j]) + moved[j])
			}
		}
	}
	return nil
}

// move adds a part to one tensor: differences by what they count of a whole, buffers by what they count of all.
func (b *Buffer) move(v tensor.View, p bufferPart, counted Weight) {
	mean, from, moved := tensor.Of(b.mean, v), tensor.Of(p.start, v), tensor.Of(b.moved, v)
	if v.Buffer {
		part := float64(p.sum.Weight()) / float64(counted)
		for j, x := range mean {
			moved[j] += float64(part * float64(x))
		}
		return
	}
	part := float64(p.sum.Weight()) / float64(b.whole)
	for j, x := range mean {
		moved[j] += float64(part * (float64(x) - float64(from[j])))
	}
}
