package shard

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Walk yields the batches of one task. The zero Walk is ready for Reset, and a Walk that is reset again reuses its
// memory: after the largest shard and batch nothing is allocated, neither by Reset nor by Next.
type Walk struct {
	seed         uint64
	round, shard int
	schedule     Schedule
	examples     []int32 // the shard's, never written

	step, steps int
	pass        []int32 // order of the current pass: examples, or a permutation of it in own
	at          int     // position in pass
	passes      int     // passes begun

	own    []int32 // memory for pass
	batch  []int32 // memory for a batch that is no piece of pass
	stream keyed.Stream
}

// NewWalk returns a Walk that is reset to its arguments.
func NewWalk(seed uint64, round, shard int, examples []int32, s Schedule) *Walk {
	w := new(Walk)
	w.Reset(seed, round, shard, examples, s)
	return w
}

// Reset makes w the walk of the task (seed, round, shard) through the shard's examples, which are kept and must not change.
// Rounds count from 1. It panics if there are no examples, round < 1, shard < 0 or s is invalid.
func (w *Walk) Reset(seed uint64, round, shard int, examples []int32, s Schedule) {
	if err := s.Validate(); err != nil {
		panic(err)
	}
	if len(examples) == 0 || round < 1 || shard < 0 {
		panic(fmt.Sprintf("shard: walk of round %d, shard %d with %d examples", round, shard, len(examples)))
	}
	w.seed, w.round, w.shard, w.schedule, w.examples = seed, round, shard, s, examples
	w.step, w.steps = 0, s.TotalSteps(len(examples))
	w.at, w.passes = 0, 0
	if s.Order == Cyclic {
		w.at = s.cyclicStart(round, len(examples))
	}
	w.begin()
}

// cyclicStart returns (round-1) x examples per round, modulo n. Every factor is reduced first and stays below 2^31.
func (s Schedule) cyclicStart(round, n int) int {
	if s.Steps == 0 {
		return 0 // whole passes
	}
	m := uint64(n)
	perRound := uint64(s.Steps) % m * (uint64(s.size(n)) % m) % m
	return int(uint64(round-1) % m * perRound % m)
}

// Steps returns the number of batches that Next yields in all.
func (w *Walk) Steps() int { return w.steps }

// Limit makes Next yield no more than so many batches in all: the first ones of the walk.
func (w *Walk) Limit(steps int) { w.steps = min(w.steps, steps) }

// Next returns the indices of the next batch, nil after the last one. They are valid until the next call of Next or Reset
// and must not be modified.
func (w *Walk) Next() []int32 {
	if w.step == w.steps {
		return nil
	}
	size := w.schedule.batchSize(w.step, len(w.examples))
	w.step++
	if w.schedule.Order == Replacement {
		return w.draw(size)
	}
	if w.at == len(w.pass) {
		w.at = 0
		w.begin()
	}
	if w.at+size <= len(w.pass) {
		w.at += size
		return w.pass[w.at-size : w.at : w.at]
	}
	return w.span(size)
}

// begin sets the order of the pass that comes next.
func (w *Walk) begin() {
	w.pass = w.examples
	if w.schedule.Order == Shuffle {
		w.own = append(w.own[:0], w.examples...)
		w.stream.Reset(w.seed, "shuffle", uint64(w.round), uint64(w.shard), uint64(w.passes))
		w.stream.Shuffle(w.own)
		w.pass = w.own
	}
	w.passes++
}

// span copies a batch that goes over the end of a pass.
func (w *Walk) span(size int) []int32 {
	w.batch = w.batch[:0]
	for len(w.batch) < size {
		if w.at == len(w.pass) {
			w.at = 0
			w.begin()
		}
		n := min(size-len(w.batch), len(w.pass)-w.at)
		w.batch = append(w.batch, w.pass[w.at:w.at+n]...)
		w.at += n
	}
	return w.batch
}

// draw fills a batch with independent draws. The key counts steps from 0.
func (w *Walk) draw(size int) []int32 {
	w.stream.Reset(w.seed, "replacement", uint64(w.round), uint64(w.shard), uint64(w.step-1))
	w.batch = w.batch[:0]
	for range size {
		w.batch = append(w.batch, w.examples[w.stream.Below(len(w.examples))])
	}
	return w.batch
}

// Probe returns min(size, len(examples)) of a shard's examples, drawn without replacement and keyed by (seed, "probe", shard):
// the same in every round of a run. size 0 means the whole shard. The examples come in drawn order, so that the first and
// the second half are random halves; a smaller probe is the beginning of a larger one.
func Probe(seed uint64, shard int, examples []int32, size int) []int32 {
	probe := append([]int32(nil), examples...)
	keyed.New(seed, "probe", uint64(shard)).Shuffle(probe)
	if size > 0 && size < len(probe) {
		return probe[:size:size]
	}
	return probe
}
