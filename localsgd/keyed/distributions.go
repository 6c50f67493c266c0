package keyed

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/detmath"
)

// Normal returns a draw of the standard normal distribution (Box-Muller; the pair's second value is the next draw).
func (s *Stream) Normal() float64 {
	if s.hasSpare {
		s.hasSpare = false
		return s.spare
	}
	u := 1 - s.Float64() // in (0, 1], so that the logarithm is finite
	radius := math.Sqrt(float64(-2 * detmath.Log(u)))
	sin, cos := detmath.SinCosTurns(s.Float64())
	s.spare = float64(radius * sin)
	s.hasSpare = true
	return float64(radius * cos)
}

// Gamma returns a draw of the Gamma distribution with the given shape and scale 1. It panics unless shape is positive
// and finite. For shapes below about 0.01 the draw may underflow to 0; LogGamma does not.
func (s *Stream) Gamma(shape float64) float64 {
	if shape >= 1 {
		checkShape(shape)
		return s.gamma(shape)
	}
	return detmath.Exp(s.LogGamma(shape))
}

// LogGamma returns the logarithm of a draw of Gamma(shape), finite however small the shape is, so that Dirichlet
// weights can be normalised after subtracting the largest. It panics unless shape is positive and finite.
func (s *Stream) LogGamma(shape float64) float64 {
	checkShape(shape)
	if shape >= 1 {
		return detmath.Log(s.gamma(shape))
	}
	// If G has shape a+1 and U is uniform, G * U^(1/a) has shape a.
	g := detmath.Log(s.gamma(shape + 1))
	return g + detmath.Log(1-s.Float64())/shape
}

func checkShape(shape float64) {
	if !(shape > 0) || math.IsInf(shape, 1) {
		panic(fmt.Sprintf("keyed: Gamma needs a positive finite shape, not %v", shape))
	}
}

// gamma draws for shape >= 1 (Marsaglia and Tsang 2000: a cubed normal, rejected against the exact density).
func (s *Stream) gamma(shape float64) float64 {
	d := shape - 1.0/3
	c := 1 / math.Sqrt(float64(9*d))
	for {
		x := s.Normal()
		t := 1 + float64(c*x)
		if t <= 0 {
			continue
		}
		v := float64(float64(t*t) * t)
		u := 1 - s.Float64()
		bound := float64(0.5*float64(x*x)) + float64(d*(1-v+detmath.Log(v)))
		if detmath.Log(u) < bound {
			return float64(d * v)
		}
	}
}
