package detmath

import "math"

// SinCosTurns returns sin(2 pi t) and cos(2 pi t), within one unit in the last place. Counting angles in turns makes the
// reduction exact for every finite t; quarters of a turn give exactly 0 and 1. NaN for NaN and infinities.
func SinCosTurns(t float64) (sin, cos float64) {
	t -= math.RoundToEven(t)
	quarter := math.RoundToEven(float64(4 * t))
	r := t - float64(quarter*0.25)
	const twoPi, twoPiLo = 0x1.921fb54442d18p+02, 0x1.1a62633145c07p-52
	x := float64(r * twoPi)
	s, c := sinCosReduced(x, math.FMA(r, twoPi, -x)+float64(r*twoPiLo))
	switch quarter {
	case 1:
		return c, -s
	case -1:
		return -c, s
	case 2, -2:
		return -s, -c
	}
	return s, c
}

// sinCosReduced returns sin and cos of x+y for |x| <= pi/4 and y at most an ulp of x.
func sinCosReduced(x, y float64) (sin, cos float64) {
	const (
		s1 = -1.66666666666666324348e-01
		s2 = 8.33333333332248946124e-03
		s3 = -1.98412698298579493134e-04
		s4 = 2.75573137070700676789e-06
		s5 = -2.50507602534068634195e-08
		s6 = 1.58969099521155010221e-10
		c1 = 4.16666666666666019037e-02
		c2 = -1.38888888888741095749e-03
		c3 = 2.48015872894767294178e-05
		c4 = -2.75573143513906633035e-07
		c5 = 2.08757232129817482790e-09
		c6 = -1.13596475577881948265e-11
	)
	z := float64(x * x)
	p := s5 + float64(z*s6)
	p = s4 + float64(z*p)
	p = s3 + float64(z*p)
	p = s2 + float64(z*p)
	v := float64(z * x)
	sin = x - ((float64(z*(float64(0.5*y)-float64(v*p))) - y) - float64(v*s1))

	q := c5 + float64(z*c6)
	q = c4 + float64(z*q)
	q = c3 + float64(z*q)
	q = c2 + float64(z*q)
	q = float64(z * (c1 + float64(z*q)))
	half := float64(0.5 * z)
	w := 1 - half
	cos = w + (((1 - w) - half) + (float64(z*q) - float64(x*y)))
	return sin, cos
}
