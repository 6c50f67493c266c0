package figure

import (
	"math"
	"strconv"
	"strings"
)

// linearTicks returns ticks at multiples of 1, 2 or 5 times a power of ten, as many as have room, and what their labels leave
// out.
func linearTicks(a axis, s span) ([]tick, string) {
	each := 44.0 // pixels a tick
	if s.level {
		each = 62
	}
	for most := max(2, int(s.length/each)); most >= 1; most-- {
		ticks, note := evenTicks(a, niceStep((a.hi-a.lo)/float64(most)))
		if len(ticks) > 1 && a.fits(ticks, s) {
			return ticks, note
		}
	}
	ticks, note := evenTicks(a, niceStep((a.hi-a.lo)/2))
	for i := range ticks {
		if a.fits(ticks[i:i+1], s) {
			return ticks[i : i+1], note
		}
	}
	return nil, ""
}

// niceStep returns the smallest of 1, 2, 5, 10, ... times a power of ten, also below one, that is at least v.
func niceStep(v float64) float64 {
	base := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*base >= v*(1-1e-9) {
			return m * base
		}
	}
	return 10 * base
}

func evenTicks(a axis, step float64) ([]tick, string) {
	var values []float64
	for i := math.Ceil(a.lo/step - 1e-9); i*step <= a.hi+1e-9*step && len(values) < 100; i++ {
		values = append(values, i*step)
	}
	if len(values) == 0 {
		return nil, ""
	}
	labels, note := evenLabels(values, step)
	ticks := make([]tick, len(values))
	for i, v := range values {
		ticks[i] = tick{v, labels[i]}
	}
	return ticks, note
}

// evenLabels writes multiples of a step with the decimals that it needs. Very large and very small ones are written in units
// of a power of ten; where values differ in late digits alone, the first one is taken off. The note says so.
func evenLabels(values []float64, step float64) ([]string, string) {
	largest := max(math.Abs(values[0]), math.Abs(values[len(values)-1]))
	note, base := "", 0.0
	if largest/step > 1e4 {
		base = values[0]
		note = " − " + strconv.FormatFloat(base, 'g', 15, 64)
		if base < 0 {
			note = " + " + strconv.FormatFloat(-base, 'g', 15, 64)
		}
		largest = values[len(values)-1] - base
	}
	unit := 0
	if largest >= 1e6 || largest < 1e-2 && largest > 0 {
		unit = int(math.Floor(math.Log10(largest) + 1e-9))
		note = note + " (× " + power(unit) + ")"
	}
	decimals := max(0, unit-int(math.Floor(math.Log10(step)+1e-9)))
	labels := make([]string, len(values))
	for i, v := range values {
		labels[i] = plainNumber((v-base)/math.Pow(10, float64(unit)), decimals)
	}
	return labels, note
}

// plainNumber writes a number with so many decimals, a true minus and commas.
func plainNumber(v float64, decimals int) string {
	text := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	whole, rest, _ := strings.Cut(text, ".")
	if n, err := strconv.Atoi(whole); err == nil && n >= 10000 {
		whole = thousands(n)
	}
	if rest != "" {
		whole += "." + rest
	}
	if v < 0 && strings.Trim(text, "0.") != "" {
		return "−" + whole
	}
	return whole
}

// power writes a power of ten.
func power(exponent int) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	out := "10"
	for _, r := range strconv.Itoa(exponent) {
		if r == '-' {
			out += "⁻"
			continue
		}
		out += string(digits[r-'0'])
	}
	return out
}

// mostPlaces is how many values of the data may be ticks of a logarithmic axis.
const mostPlaces = 9

// logTicks returns the ticks of a logarithmic axis, and the minor grid between them.
func logTicks(a axis, places []float64, s span) (ticks []tick, minor []float64) {
	minor = logMinor(a, s)
	if chosen := distinct(places, mostPlaces); len(chosen) > 1 {
		if ticks := a.label(chosen); a.fits(ticks, s) {
			return ticks, minor
		}
	}
	for _, steps := range [][]float64{{1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 5}, {1, 3}} {
		ticks := a.label(multiples(a, steps, 1))
		if len(ticks) <= 8 && len(ticks) > 1 && a.fits(ticks, s) {
			return ticks, minor
		}
	}
	for _, every := range []int{1, 2, 3, 5, 10, 20, 50, 100, 200} {
		ticks := a.label(multiples(a, []float64{1}, every))
		if len(ticks) > 1 && len(ticks) <= 8 && a.fits(ticks, s) {
			return ticks, minor
		}
	}
	// Less than a decade without a fitting pair: even steps.
	for most := 6; most >= 1; most-- {
		ticks, note := evenTicks(a, niceStep((a.hi-a.lo)/float64(most)))
		if note == "" && a.fits(ticks, s) && len(ticks) > 0 {
			return ticks, nil
		}
	}
	for _, t := range a.label(multiples(a, []float64{1, 2, 5}, 1)) {
		if a.fits([]tick{t}, s) {
			return []tick{t}, minor
		}
	}
	return nil, minor
}

// multiples returns m * 10^k within the axis for each m, and each k that every divides.
func multiples(a axis, m []float64, every int) []float64 {
	var out []float64
	first := int(math.Floor(math.Log10(a.lo)))
	for k := first; float64(k) <= math.Log10(a.hi); k++ {
		for _, f := range m {
			v := f * math.Pow(10, float64(k))
			if k%every == 0 && v >= a.lo && v <= a.hi {
				out = append(out, v)
			}
		}
	}
	return out
}

// logMinor returns the multiples of powers of ten where they have room.
func logMinor(a axis, s span) []float64 {
	decades := math.Log10(a.hi) - math.Log10(a.lo)
	if s.length/decades < 40 {
		return nil
	}
	return multiples(a, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1)
}

// label writes values of a logarithmic axis: all as plain numbers, or all as powers of ten.
func (a axis) label(values []float64) []tick {
	plain := true
	for _, v := range values {
		plain = plain && v >= 0.000999 && v < 99999.5
	}
	ticks := make([]tick, len(values))
	for i, v := range values {
		ticks[i] = tick{v, logLabel(v, plain)}
	}
	return ticks
}

func logLabel(v float64, plain bool) string {
	if plain {
		text := strconv.FormatFloat(v, 'g', 3, 64)
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			text = strconv.FormatFloat(f, 'f', -1, 64)
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 10000 {
			return thousands(n)
		}
		return text
	}
	exponent := int(math.Floor(math.Log10(v) + 1e-9))
	lead := strconv.FormatFloat(v/math.Pow(10, float64(exponent)), 'g', 2, 64)
	if lead == "1" {
		return power(exponent)
	}
	return lead + "·" + power(exponent)
}
