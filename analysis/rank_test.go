package analysis

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func ones(n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = 1
	}
	return s
}

func TestMeasuresOfKnownSpectra(t *testing.T) {
	half := math.Sqrt(0.5)
	for _, c := range []struct {
		name              string
		s                 []float64
		eps               float64
		rank              int
		stable, effective float64
		energy2           float64
	}{
		{"identity of 8", ones(8), 0.05, 8, 8, 8, 0.25},
		{"identity of 8, all below", ones(8), 0.36, 0, 8, 8, 0.25},
		{"rank one", []float64{3, 0, 0, 0}, 0.001, 1, 1, 1, 1},
		{"zero", make([]float64, 5), 0.001, 0, 0, 0, 0},
		{"empty", nil, 0.001, 0, 0, 0, 0},
		{"two energies of 1/2", []float64{half, half, 0}, 0.7, 2, 2, 2, 1},
		// ||s|| = 4: a value at the threshold is not above it.
		{"at the threshold", []float64{3, 2, 1, 1, 1}, 0.25, 2, 16. / 9,
			math.Exp(-(9./16*math.Log(9./16) + 4./16*math.Log(4./16) + 3./16*math.Log(1./16))), 13. / 16},
		{"under the threshold", []float64{3, 2, 1, 1, 1}, 0.2499999, 5, 16. / 9,
			math.Exp(-(9./16*math.Log(9./16) + 4./16*math.Log(4./16) + 3./16*math.Log(1./16))), 13. / 16},
		{"smallest float32", []float64{math.SmallestNonzeroFloat32, math.SmallestNonzeroFloat32}, 0.001, 2, 2, 2, 1},
		{"largest float32", []float64{math.MaxFloat32, math.MaxFloat32}, 0.001, 2, 2, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := EpsRank(c.s, c.eps); got != c.rank {
				t.Errorf("eps-rank at %g: %d, want %d", c.eps, got, c.rank)
			}
			near(t, "stable rank", StableRank(c.s), c.stable, 1e-14)
			near(t, "effective rank", EffectiveRank(c.s), c.effective, 1e-14)
			near(t, "energy of 2", Energy(c.s, 2), c.energy2, 1e-14)
		})
	}
}

// near fails unless got is within a relative tolerance of want.
func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
		t.Errorf("%s: %.17g, want %.17g within %g", what, got, want, tolerance)
	}
}

// What must hold for every spectrum: 1 <= stable <= rank, 1 <= effective <= rank, eps-ranks fall with eps, nothing changes
// with the scale, and by Cauchy at most 1/eps^2 values lie above eps.
func TestMeasuresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		s := make([]float64, n)
		last := rapid.Float64Range(1e-20, 1e20).Draw(t, "largest")
		for i := range s {
			s[i] = last
			last *= rapid.Float64Range(0, 1).Draw(t, "fall")
		}
		rank := float64(EpsRank(s, 0))
		for name, r := range map[string]float64{"stable": StableRank(s), "effective": EffectiveRank(s)} {
			if r < 1-1e-12 || r > rank+1e-10 {
				t.Fatalf("%s rank %g of %v, rank %g", name, r, s, rank)
			}
		}
		before := n
		for _, eps := range []float64{0.0001, 0.001, 0.01, 0.05, 0.3} {
			r := EpsRank(s, eps)
			if r > before || float64(r) > 1/(eps*eps) {
				t.Fatalf("eps-rank %d at %g after %d", r, eps, before)
			}
			before = r
		}
		if total := Energy(s, n); math.Abs(total-1) > 1e-14 || Energy(s, n+1) != total || Energy(s, 0) != 0 {
			t.Fatalf("energy of all values: %v", total)
		}
	})
}

func TestMeasuresIgnorePowersOfTwo(t *testing.T) {
	s := []float64{5, 4, 1, 0.25, 0.003}
	scaled := make([]float64, len(s))
	for i, v := range s {
		scaled[i] = math.Ldexp(v, 60)
	}
	got, want := Measure(scaled, 0.01), Measure(s, 0.01)
	got.Frobenius, got.Spectral, got.Top, got.Values = want.Frobenius, want.Spectral, want.Top, want.Values
	if fmt.Sprint(*got) != fmt.Sprint(*want) {
		t.Errorf("scaled by 2^60: %+v, want %+v", *got, *want)
	}
}

// Roy and Vetterli's effective rank of known spectra, and its place between the two others.
func TestRoyVetterliRank(t *testing.T) {
	for _, c := range []struct {
		s    []float64
		want float64
	}{
		{ones(8), 8}, {[]float64{3, 0, 0}, 1}, {make([]float64, 3), 0}, {nil, 0},
		{[]float64{2, 1, 1}, math.Pow(2, 1.5)}, // shares 1/2, 1/4, 1/4: 1.5 bits
		{[]float64{4, 2, 1, 1}, math.Pow(2, 1.75)},
	} {
		near(t, "Roy and Vetterli's rank", RoyVetterliRank(c.s), c.want, 1e-14)
		if low := EffectiveRank(c.s); low > RoyVetterliRank(c.s)+1e-12 {
			t.Errorf("%v: effective rank %v above %v", c.s, low, RoyVetterliRank(c.s))
		}
	}
	if got := Measure([]float64{2, 1, 1}, 0.1).RoyVetterli; math.Abs(got-math.Pow(2, 1.5)) > 1e-12 {
		t.Errorf("a spectrum has %v", got)
	}
}
