package kernel

import (
	"math"
	"testing"
)

func TestReLU(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name             string
		slope            float64
		x, y, derivative float64
	}{
		{"positive", 0, 3, 3, 1},
		{"negative", 0, -3, 0, 0},
		{"zero", 0, 0, 0, 0},
		{"negative zero", 0, math.Copysign(0, -1), 0, 0},
		{"infinite", 0, inf, inf, 1},
		{"not a number", 0, nan, nan, 1},
		{"leaky positive", 0.25, 3, 3, 1},
		{"leaky negative", 0.25, -3, -0.75, 0.25},
		{"leaky zero", 0.25, 0, 0, 0.25},
		{"leaky not a number", 0.25, nan, nan, 1},
		{"leaky underflow", 0.25, -math.SmallestNonzeroFloat64, math.Copysign(0, -1), 0.25},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, d := []float64{c.x}, []float64{2}
			ReLU(y, c.slope)
			if math.Float64bits(y[0]) != math.Float64bits(c.y) && !(math.IsNaN(y[0]) && math.IsNaN(c.y)) {
				t.Errorf("ReLU(%v) = %v, want %v", c.x, y[0], c.y)
			}
			ReLUGradient(d, y, c.slope)
			if d[0] != 2*c.derivative {
				t.Errorf("derivative at %v = %v, want %v", c.x, d[0]/2, c.derivative)
			}
		})
	}
}
