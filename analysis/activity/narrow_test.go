package activity

import (
	"slices"
	"testing"
)

func TestNarrowKeepsGates(t *testing.T) {
	seen := outputs{}
	n := Narrow{To: seen}
	y := []float64{1.5, 1e-300, 0, -1e-300, -2, 1e-40}
	n.Activation(3, y, 2)
	for i, v := range seen[3] {
		if (v > 0) != (y[i] > 0) {
			t.Errorf("%g becomes %g", y[i], v)
		}
	}
	n.Activation(3, []float64{0.1}, 1)
	if !slices.Equal(seen[3][6:], []float32{0.1}) || seen[3][0] != 1.5 {
		t.Errorf("saw %v", seen[3])
	}
}
