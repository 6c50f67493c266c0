package round

import (
	"fmt"
	"slices"
	"time"
)

// Adaptive derives a round's deadline from how long shards took to answer in the rounds before:
//
//	median + K x MAD,
//
// the median of the observed times and the median of their absolute differences from it (not scaled: of a normal
// distribution the MAD is 0.67 standard deviations). Up to half of the times may be anything without moving it far.
//
// A time is from the round's start to the answer, because that is what the deadline bounds: where workers have several tasks
// a round, waiting for the first ones is part of the last one's time.
type Adaptive struct {
	K     float64       // positive
	Least int           // so few observations give no deadline: the round waits for all; from 1
	Floor time.Duration // deadlines are never shorter
}

// longest bounds a deadline: rounds with longer ones might as well have none.
const longest = 365 * 24 * time.Hour

// Deadline returns the deadline after the given times, and the estimate in words; 0 if there are too few.
func (a Adaptive) Deadline(times []time.Duration) (deadline time.Duration, basis string) {
	if len(times) < max(a.Least, 1) {
		return 0, ""
	}
	middle := median(times)
	off := make([]time.Duration, len(times))
	for i, t := range times {
		off[i] = (t - middle).Abs()
	}
	mad := median(off)
	d := time.Duration(min(float64(middle)+float64(a.K*float64(mad)), float64(longest)))
	return max(d, a.Floor, 1), fmt.Sprintf("median %v + %g x MAD %v of %d answers", middle, a.K, mad, len(times))
}

// median returns the middle one, or the mean of the two middle ones, rounded down.
func median(times []time.Duration) time.Duration {
	sorted := slices.Clone(times)
	slices.Sort(sorted)
	n := len(sorted)
	low, high := sorted[(n-1)/2], sorted[n/2]
	return low + (high-low)/2
}

// Times are the times that Adaptive goes by. The zero value has none.
type Times struct{ newest []time.Duration }

// window is how many times are remembered.
const window = 1000

// Observe takes in how a round closed. A shard without an answer counts with the time at which the round closed, the least
// that it would have taken: left out, it would make deadlines shorter and shorter. If more than half are without, the times
// say nothing about most shards: all are forgotten, and the next round waits for all.
func (t *Times) Observe(c Close) {
	if without := len(c.Missing) - len(c.Diverged); 2*without > len(c.Took) {
		t.newest = nil
		return
	}
	t.newest = append(t.newest, c.Took...)
	t.newest = slices.Clone(t.newest[max(0, len(t.newest)-window):])
}

// All returns the times, the oldest first.
func (t *Times) All() []time.Duration { return slices.Clone(t.newest) }

// took lists, at the close of a round, how long its shards took, in their order, without those that diverged.
func (m *Machine) took() []time.Duration {
	times := make([]time.Duration, 0, len(m.state))
	for i, s := range m.state {
		switch s {
		case answered:
			times = append(times, m.answeredAt[i])
		case leftOut:
		default:
			times = append(times, m.clock)
		}
	}
	return times
}
