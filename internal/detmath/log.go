package detmath

import "math"

// Log returns the natural logarithm of x, within one unit in the last place; -Inf for 0, NaN below 0, as math.Log does.
func Log(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1):
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	m, k := split(x)
	f := m - 1
	s := f / (2 + f)
	half := float64(float64(0.5*f) * f)
	r := logTail(s)
	return float64(k*ln2Hi) - ((half - (float64(s*(half+r)) + float64(k*ln2Lo))) - f)
}

// Log1p returns the logarithm of 1+x, exact to about two units in the last place also where x is tiny.
func Log1p(x float64) float64 {
	u := 1 + x
	switch {
	case u == 1 || math.IsInf(u, 1):
		return x
	case u <= 0:
		return Log(u)
	}
	// log(u) misses the part of x that rounding 1+x lost; d(log u) = du/u puts it back to first order.
	return Log(u) + (x-(u-1))/u
}

// logTail returns the part R(s) of log(1+f) = f - f*f/2 + s*(f*f/2 + R), where s = f/(2+f).
func logTail(s float64) float64 {
	const (
		l1 = 6.666666666666735130e-01
		l2 = 3.999999999940941908e-01
		l3 = 2.857142874366239149e-01
		l4 = 2.222219843214978396e-01
		l5 = 1.818357216161805012e-01
		l6 = 1.531383769920937332e-01
		l7 = 1.479819860511658591e-01
	)
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	odd := l5 + float64(s4*l7)
	odd = l3 + float64(s4*odd)
	odd = float64(s2 * (l1 + float64(s4*odd)))
	even := l4 + float64(s4*l6)
	even = float64(s4 * (l2 + float64(s4*even)))
	return odd + even
}

// split returns m in [sqrt(1/2), sqrt(2)) and an integer k with x = m * 2^k, for positive finite x.
func split(x float64) (m, k float64) {
	const sqrtHalf = 0x1.6a09e667f3bcdp-01
	shift := 0
	if x < 0x1p-1022 {
		x = float64(x * 0x1p54)
		shift = -54
	}
	bits := math.Float64bits(x)
	e := int(bits>>52) - 1022
	m = math.Float64frombits(bits&^(0x7ff<<52) | 1022<<52)
	if m < sqrtHalf {
		m += m
		e--
	}
	return m, float64(e + shift)
}
