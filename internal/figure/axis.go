package figure

import (
	"math"
	"slices"
)

// axis maps values of a panel to pixels. An axis without a value that it could show is empty: it has neither ticks nor places.
type axis struct {
	log      bool
	empty    bool
	lo, hi   float64
	from, to float64 // pixels of lo and hi
	ticks    []tick
	minor    []float64
	note     string // what the tick labels leave out: a power of ten, or what is subtracted
}

type tick struct {
	at    float64
	label string
}

// span is a stretch of pixels for an axis. Labels of a level axis stand side by side, those of an upright one above each other.
type span struct {
	length float64
	level  bool
}

// newAxis returns an axis that shows all values which can be shown. places are values where ticks are liked best; they are taken
// if there are few of them and the axis is logarithmic, since such values were chosen.
func newAxis(values, places []float64, log bool, s span) axis {
	a := axis{log: log}
	lo, hi, ok := extent(values, log)
	if !ok {
		a.empty = true
		return a
	}
	if log {
		a.lo, a.hi = widenLog(lo, hi)
		a.ticks, a.minor = logTicks(a, places, s)
		return a
	}
	a.lo, a.hi = widen(lo, hi)
	a.ticks, a.note = linearTicks(a, s)
	return a
}

// shown tells whether an axis can show a value.
func shown(v float64, log bool) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
}

func extent(values []float64, log bool) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if shown(v, log) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi, lo <= hi
}

// The part of a range that stays free at either end, and the part of the largest value below which a range begins at zero.
const (
	margin   = 0.04
	nearZero = 0.3
)

// smallest is the least value that a linear axis tells from zero: below, steps between ticks have too few bits left.
const smallest = 1e-290

// widen makes room around a range, and gives one to a single value. Ranges of one sign that come near zero begin there.
func widen(lo, hi float64) (float64, float64) {
	lo, hi = max(lo, -math.MaxFloat64/4), min(hi, math.MaxFloat64/4)
	if max(math.Abs(lo), math.Abs(hi)) < smallest {
		return -1, 1
	}
	if hi-lo <= 1e-12*max(math.Abs(lo), math.Abs(hi)) {
		room := math.Abs(lo) / 2
		return lo - room, hi + room
	}
	room := margin * (hi - lo)
	switch {
	case lo >= 0 && lo <= nearZero*hi:
		return 0, hi + room
	case hi <= 0 && hi >= nearZero*lo:
		return lo - room, 0
	}
	return lo - room, hi + room
}

// The ends of logarithmic axes: what comes near the ends of float64 itself is shown there.
const (
	lowestLog  = 1e-305
	highestLog = 1e305
)

func widenLog(lo, hi float64) (float64, float64) {
	lo, hi = min(max(lo, lowestLog), highestLog), max(min(hi, highestLog), lowestLog)
	factor := math.Pow(10, margin*(math.Log10(hi)-math.Log10(lo)))
	if hi/lo < 1.001 {
		factor = math.Sqrt(10)
	}
	return max(lo/factor, lowestLog/100), min(hi*factor, highestLog*100)
}

// at returns the pixel of a value, which must be one that the axis shows.
func (a axis) at(v float64) float64 {
	lo, hi := a.lo, a.hi
	if a.log {
		lo, hi, v = math.Log10(lo), math.Log10(hi), math.Log10(max(v, math.SmallestNonzeroFloat64))
	}
	t := max(0, min(1, (v-lo)/(hi-lo)))
	return a.from + t*(a.to-a.from)
}

// part returns where a value lies between lo and hi, as 0 to 1.
func (a axis) part(v float64) float64 {
	b := a
	b.from, b.to = 0, 1
	return b.at(v)
}

// overhang is how far a label may stand out at the end of a level axis.
const overhang = 17

// fits tells whether the labels of ticks have room beside each other.
func (a axis) fits(ticks []tick, s span) bool {
	last := math.Inf(-1)
	for _, t := range ticks {
		at := s.length * a.part(t.at)
		half := tickSize * 0.8
		if s.level {
			half = textWidth(t.label, tickSize)/2 + 4
		}
		if at-half < last || s.level && at+half-4 > s.length+overhang {
			return false
		}
		last = at + half
	}
	return true
}

func (a axis) inside(v float64) bool {
	room := 1e-9 * (a.hi - a.lo)
	return v >= a.lo-room && v <= a.hi+room
}

// labels returns the texts of the ticks.
func (a axis) labels() []string {
	var out []string
	for _, t := range a.ticks {
		out = append(out, t.label)
	}
	return out
}

// distinct returns the values without repetitions, in ascending order, or nil if there are more than most.
func distinct(values []float64, most int) []float64 {
	var out []float64
	for _, v := range values {
		if i, found := slices.BinarySearch(out, v); !found {
			out = slices.Insert(out, i, v)
		}
		if len(out) > most {
			return nil
		}
	}
	return out
}
