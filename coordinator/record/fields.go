package record

import (
	"errors"
	"fmt"
	"math"
)

// ErrInvalid is wrapped by the error of every value that breaks a rule of this package.
var ErrInvalid = errors.New("invalid record")

// fields checks the fields of one record and keeps the first error.
type fields struct {
	of  string
	err error
}

func (f *fields) check(ok bool, field string, value any, allowed string) {
	if !ok && f.err == nil {
		f.err = fmt.Errorf("%w: %s.%s is %v, allowed: %s", ErrInvalid, f.of, field, value, allowed)
	}
}

func (f *fields) count(field string, n int64) { f.check(n >= 0, field, n, "0 or more") }

// small checks numbers that are stored in 32 bits.
func (f *fields) small(field string, n int) {
	f.check(n >= 0 && n <= math.MaxInt32, field, n, "0 .. 2^31-1")
}

// positive checks numbers that are sums of squares, durations and the like: never negative, never infinite.
func (f *fields) positive(field string, v float64) {
	f.check(v >= 0 && !math.IsInf(v, 0), field, v, "a finite number, 0 or more")
}

func (f *fields) finite(field string, v *float64) {
	if v != nil {
		f.check(!math.IsNaN(*v) && !math.IsInf(*v, 0), field, *v, "a finite number, or nothing")
	}
}

// readings takes the error of a check that was made elsewhere.
func (f *fields) readings(err error) {
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("%w: %s: %w", ErrInvalid, f.of, err)
	}
}

func (f *fields) shards(field string, shards []int) {
	for i, s := range shards {
		f.check(s >= 0 && s < MaxShards, field, s, "0 .. 2^24-1")
		f.check(i == 0 || s > shards[i-1], field, s, "ascending")
	}
}

func (f *fields) commit(c *Commit) {
	if c != nil {
		f.small("committed.round", c.Round)
		f.positive("committed.seconds", c.Seconds)
	}
}
