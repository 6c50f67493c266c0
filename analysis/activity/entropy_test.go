package activity

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// The table of PAPERS.md 4.3: Gaussian pre-activations under a leaky ReLU, as two other programs found it.
func TestEntropyOfGaussians(t *testing.T) {
	slopes := []float64{0, 0.1, 0.2, 0.4}
	for _, c := range []struct {
		width       int
		one, second [4]float64
	}{
		{256, [4]float64{7.20, 8.15, 8.42, 8.59}, [4]float64{7.19, 8.17, 8.41, 8.60}},
		{128, [4]float64{7.06, 8.05, 8.31, 8.46}, [4]float64{7.07, 8.06, 8.29, 8.47}},
		{32, [4]float64{6.59, 7.55, 7.71, 7.80}, [4]float64{6.59, 7.53, 7.70, 7.80}},
	} {
		for i, slope := range slopes {
			got := gaussianEntropy(t, c.width, slope)
			low, high := min(c.one[i], c.second[i])-0.03, max(c.one[i], c.second[i])+0.03
			t.Logf("width %d, slope %.1f: %.3f (%.2f, %.2f)", c.width, slope, got, c.one[i], c.second[i])
			if got < low || got > high {
				t.Errorf("width %d, slope %g: entropy %.3f, want %.2f to %.2f", c.width, slope, got, low, high)
			}
		}
	}
}

func gaussianEntropy(t *testing.T, width int, slope float64) float64 {
	const samples = 1000
	stream := keyed.New(1, "entropy", uint64(width))
	sum, z := 0.0, make([]float64, width)
	for range samples {
		for i := range z {
			if z[i] = stream.Normal(); z[i] <= 0 {
				z[i] *= slope
			}
		}
		h, ok := Entropy(z)
		if !ok {
			t.Fatal("no entropy")
		}
		sum += h
	}
	return sum / samples
}

func TestEntropyByHand(t *testing.T) {
	for _, c := range []struct {
		name string
		z    []float32
		want float64
	}{
		{"constant", []float32{3, 3, 3}, 0},
		{"dead", make([]float32, 10), 0},
		{"two halves", []float32{1, 1, 2, 2}, math.Ln2},
		{"three to one", []float32{0, 0, 0, 8}, math.Log(4) - 0.75*math.Log(3)},
		{"the top belongs to the last bin", []float32{0, 0.995, 1}, math.Log(3) - 2./3*math.Ln2},
		{"one bin each", []float32{-4, -1, 2, 5}, math.Log(4)},
	} {
		if got, ok := Entropy(c.z); !ok || math.Abs(got-math.Log(100)-c.want) > 1e-14 {
			t.Errorf("%s: %v, want ln 100 + %v", c.name, got, c.want)
		}
	}
	for name, z := range map[string][]float32{"nothing": nil, "NaN": {1, float32(math.NaN())}, "infinite": {1, float32(math.Inf(-1))}} {
		if got, ok := Entropy(z); ok {
			t.Errorf("%s has entropy %v", name, got)
		}
	}
}

// Shifting and scaling change nothing (powers of two and small integers keep every value exact), and the range is the stated
// one.
func TestEntropyInvariance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SliceOfN(rapid.Float64Range(-100, 100), 1, 300).Draw(t, "z")
		for i := range z {
			z[i] = math.Round(z[i] * 16)
		}
		h, _ := Entropy(z)
		low, high := math.Log(100), math.Log(100)+math.Log(float64(min(len(z), 100)))
		if h < low-1e-12 || h > high+1e-12 {
			t.Fatalf("%v outside [%v, %v]", h, low, high)
		}
		scale, shift := math.Ldexp(1, rapid.IntRange(-10, 10).Draw(t, "scale")), rapid.IntRange(-999, 999).Draw(t, "shift")
		moved := make([]float64, len(z))
		for i, v := range z {
			moved[i] = scale * (v + float64(shift))
		}
		if other, _ := Entropy(moved); other != h {
			t.Fatalf("%v, moved %v", h, other)
		}
	})
}
