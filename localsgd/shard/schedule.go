package shard

import (
	"errors"
	"fmt"
)

// ErrSchedule is wrapped by the errors of Schedule.Validate.
var ErrSchedule = errors.New("invalid schedule")

// Order is the order in which a task walks through its shard's examples.
type Order int

const (
	// Shuffle: every pass takes each example once, in a permutation keyed by (seed, "shuffle", round, shard, pass).
	Shuffle Order = iota
	// Replacement: each step draws its examples independently, keyed by (seed, "replacement", round, shard, step).
	Replacement
	// Cyclic: the walk of Sequential, continued from round to round. To stay a pure function it advances in every round,
	// also in those in which the shard takes no part: round r begins where r-1 rounds of walking would have ended.
	Cyclic
	// Sequential: every round begins at the shard's first example and takes them in the shard's order.
	Sequential
)

var orderNames = [...]string{Shuffle: "shuffle", Replacement: "replacement", Cyclic: "cyclic", Sequential: "sequential"}

// String returns the name of the order as the spec spells it.
func (o Order) String() string {
	if o < 0 || int(o) >= len(orderNames) {
		return fmt.Sprintf("Order(%d)", int(o))
	}
	return orderNames[o]
}

// ParseOrder is the inverse of String.
func ParseOrder(name string) (Order, error) {
	for o, n := range orderNames {
		if n == name {
			return Order(o), nil
		}
	}
	return 0, fmt.Errorf("%w: order %q, want one of %q", ErrSchedule, name, orderNames)
}

// Schedule says how much of its shard a task works through. Exactly one of Epochs and Steps is positive, the other is 0.
//
// With Epochs, a pass is over the shard's examples in batches of Batch, the last one smaller if Batch does not divide them;
// Replacement makes batches of the same sizes. With Steps, exactly that many batches of exactly Batch examples follow each
// other: passes join without a gap, so that a batch may span two of them, or repeat a shard that is smaller than it.
type Schedule struct {
	Order  Order
	Batch  int // examples a step; 0 = the whole shard
	Epochs int // passes over the shard
	Steps  int // steps

	// Join joins a pass's last batch to the one before where it would be a single example, for networks with batch norm.
	// With Steps all batches are of one size, and it changes nothing.
	Join bool
}

// Validate says which field is out of range.
func (s Schedule) Validate() error {
	switch {
	case s.Order < 0 || int(s.Order) >= len(orderNames):
		return fmt.Errorf("%w: %v, want one of %q", ErrSchedule, s.Order, orderNames)
	case s.Batch < 0 || s.Batch > MaxExamples:
		return fmt.Errorf("%w: batch %d, want 0 (the whole shard) to %d", ErrSchedule, s.Batch, MaxExamples)
	case s.Epochs < 0 || s.Steps < 0 || (s.Epochs == 0) == (s.Steps == 0):
		return fmt.Errorf("%w: epochs %d and steps %d, want one of them positive and the other 0", ErrSchedule, s.Epochs, s.Steps)
	case s.Epochs > MaxExamples || s.Steps > MaxExamples:
		return fmt.Errorf("%w: epochs %d and steps %d, want at most %d", ErrSchedule, s.Epochs, s.Steps, MaxExamples)
	}
	return nil
}

// MaxBatch returns the size of the largest batch on a shard of n examples.
func (s Schedule) MaxBatch(n int) int {
	if s.joins(n) {
		return s.size(n) + 1
	}
	return s.size(n)
}

// size returns the size of every batch but a pass's last one.
func (s Schedule) size(n int) int {
	if s.Batch == 0 || (s.Epochs > 0 && s.Batch > n) {
		return n
	}
	return s.Batch
}

// joins tells whether a pass over n examples would leave a single one, which goes into the batch before.
func (s Schedule) joins(n int) bool {
	b := s.size(n)
	return s.Join && s.Epochs > 0 && b > 1 && n%b == 1
}

// TotalSteps returns the number of steps on a shard of n > 0 examples.
func (s Schedule) TotalSteps(n int) int {
	if s.Steps > 0 {
		return s.Steps
	}
	return s.Epochs * s.perPass(n)
}

// TotalExamples returns the number of examples that the steps take on a shard of n examples, repetitions included.
func (s Schedule) TotalExamples(n int) int {
	if s.Steps > 0 {
		return s.Steps * s.size(n)
	}
	return s.Epochs * n
}

// Examples returns the number of examples that the first so many steps take on a shard of n > 0 examples, repetitions included.
func (s Schedule) Examples(n, steps int) int {
	if s.Steps > 0 {
		return steps * s.size(n)
	}
	passes := steps / s.perPass(n)
	sum := passes * n
	for step := passes * s.perPass(n); step < steps; step++ {
		sum += s.batchSize(step, n)
	}
	return sum
}

// perPass returns the number of batches that a pass over n examples makes.
func (s Schedule) perPass(n int) int {
	b := s.size(n)
	if s.joins(n) {
		return n / b
	}
	return (n + b - 1) / b
}

// batchSize returns the size of batch number step (from 0).
func (s Schedule) batchSize(step, n int) int {
	b := s.size(n)
	if s.Steps > 0 {
		return b
	}
	at := step % s.perPass(n)
	if s.joins(n) && at == s.perPass(n)-1 {
		return b + 1
	}
	return min(b, n-at*b)
}
