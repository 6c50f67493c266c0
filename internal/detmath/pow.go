package detmath

import "math"

// Pow returns x to the power y for x >= 0, within one unit in the last place. A negative x gives NaN unless y is 0;
// everything to the power 0 is 1, and 1 to every power is 1.
func Pow(x, y float64) float64 {
	switch {
	case y == 0 || x == 1:
		return 1
	case x != x || y != y || x < 0:
		return math.NaN()
	case x == 0 || math.IsInf(x, 1) || math.IsInf(y, 0):
		return powLimit(x, y)
	}
	hi, lo := logExtended(x)
	p := float64(hi * y)
	switch {
	case p > 710:
		return math.Inf(1)
	case p < -746:
		return 0
	}
	e := math.FMA(hi, y, -p) + float64(lo*y)
	k := math.RoundToEven(float64(p * math.Log2E))
	return scale(expReduced(p-float64(k*ln2Hi), float64(k*ln2Lo)-e), int(k))
}

// powLimit handles 0 and infinities, for x >= 0 other than 1 and y other than 0.
func powLimit(x, y float64) float64 {
	if (x > 1) == (y > 0) {
		return math.Inf(1)
	}
	return 0
}

// logExtended returns log(x) as hi + lo, with a relative error below 2^-63, for positive finite x. It sums
// 2*atanh(s) = 2s + 2s^3/3 + 2s^5/5 + ... at s = (m-1)/(m+1), the first two terms in double words.
func logExtended(x float64) (hi, lo float64) {
	m, k := split(x)
	f := m - 1
	d := m + 1
	dLo := m - (d - 1)
	s := f / d
	sLo := (math.FMA(-s, d, f) - float64(s*dLo)) / d
	q := float64(s * s)
	qLo := math.FMA(s, s, -q) + float64(float64(2*s)*sLo)
	const third, thirdLo = 0x1.5555555555555p-02, 0x1.5555555555555p-56
	c := float64(q * third)
	cLo := math.FMA(q, third, -c) + (float64(q*thirdLo) + float64(qLo*third))
	cLo += atanhTail(q)
	c, cLo = fastSum(c, cLo)
	t := float64(s * c)
	tLo := math.FMA(s, c, -t) + (float64(s*cLo) + float64(sLo*c))
	hi, lo = fastSum(float64(2*s), float64(2*t))
	lo += float64(2 * (sLo + tLo))
	kHi := float64(k * ln2Hi)
	sum, rest := twoSum(kHi, hi)
	return fastSum(sum, rest+(lo+float64(k*ln2Lo)))
}

// atanhTail returns q^2/5 + q^3/7 + ..., to double precision for q <= 0.0295.
func atanhTail(q float64) float64 {
	p := 1.0 / 25
	for n := 23.0; n >= 5; n -= 2 {
		p = 1/n + float64(q*p)
	}
	return float64(float64(q*q) * p)
}

// fastSum returns a+b as a rounded sum and its exact error, for |a| >= |b|.
func fastSum(a, b float64) (sum, err float64) {
	sum = a + b
	return sum, b - (sum - a)
}

// twoSum returns a+b as a rounded sum and its exact error.
func twoSum(a, b float64) (sum, err float64) {
	sum = a + b
	v := sum - a
	return sum, (a - (sum - v)) + (b - v)
}
