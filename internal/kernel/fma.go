package kernel

import "math"

// fma32 returns x*y+z rounded once to float32, as the FMA instruction does. The product of two float32 is exact in
// float64, so only the sum is rounded there; rounding it again to float32 errs only where the first rounding lands in the
// middle between two float32, which for normal results shows in the 29 digits to be cut off.
func fma32(x, y, z float32) float32 {
	s := float64(float64(x)*float64(y)) + float64(z)
	if b := math.Float64bits(s); b&0x1fffffff != 0x10000000 && b<<1 >= smallestNormal<<1 || s == 0 {
		return float32(s)
	}
	return fmaToOdd(x, y, z)
}

// smallestNormal are the bits of the smallest normal float32 as a float64.
const smallestNormal = 0x381 << 52

// fmaToOdd is fma32 for every argument: where the sum is inexact in float64, its last digit is made odd. Then it is no
// middle of any two float32 and keeps the side on which the exact sum lies, so that rounding again is right.
func fmaToOdd(x, y, z float32) float32 {
	p, c := float64(float64(x)*float64(y)), float64(z)
	s := p + c
	if s-s != 0 {
		return float32(s)
	}
	part := s - p
	rest := (p - (s - part)) + (c - part) // exactly what the sum lost (Knuth's TwoSum)
	b := math.Float64bits(s)
	if rest != 0 && b&1 == 0 {
		if (rest > 0) == (s > 0) {
			b++
		} else {
			b--
		}
	}
	return float32(math.Float64frombits(b))
}

// fma is x*y+z rounded once.
func fma[F Float](x, y, z F) F {
	if f, ok := any(x).(float32); ok {
		return F(fma32(f, float32(y), float32(z)))
	}
	return F(math.FMA(float64(x), float64(y), float64(z)))
}

// addProducts adds a*b[j] to each sums[j]; b is at least as long as sums.
func addProducts[F Float](sums, b []F, a F) {
	switch s := any(sums).(type) {
	case []float32:
		addProducts32(s, any(b).([]float32), float32(a))
	case []float64:
		addProducts64(s, any(b).([]float64), float64(a))
	}
}

func addProducts32(sums, b []float32, a float32) {
	b = b[:len(sums)]
	if a == 0 {
		// Most of MNIST's pixels. The product is exact, so two roundings are one.
		for j, s := range sums {
			sums[j] = s + float32(a*b[j])
		}
		return
	}
	for j, s := range sums {
		sums[j] = fma32(a, b[j], s)
	}
}

func addProducts64(sums, b []float64, a float64) {
	b = b[:len(sums)]
	for j, s := range sums {
		sums[j] = math.FMA(a, b[j], s)
	}
}
