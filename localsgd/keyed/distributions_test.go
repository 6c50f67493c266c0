package keyed

import (
	"fmt"
	"math"
	"testing"
)

// Golden bits of the distributions: they pin the generator and the elementary functions under it.
func TestDistributionsAreGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		draw func(*Stream) float64
		want [4]uint64
	}{
		{"float64", (*Stream).Float64, [4]uint64{0x3fe2cc5997883a52, 0x3fea6595e60647c1, 0x3fee5362f1bb3b4a, 0x3fe28ba33d51efaa}},
		{"normal", (*Stream).Normal, [4]uint64{0x3fe34ef015dd46a3, 0xbff2fa07ddb29553, 0xc0010e579391420d, 0xbff2a06ae4cae091}},
		{"gamma 0.1", func(s *Stream) float64 { return s.Gamma(0.1) }, [4]uint64{0x3f3021b2b6902016, 0x3f7ff9a94de843b6, 0x3fab4b0ce5100a52, 0x3f80c0e6e60ec1b8}},
		{"gamma 1", func(s *Stream) float64 { return s.Gamma(1) }, [4]uint64{0x3ff4a682f33a308f, 0x3fb76b9ab9880159, 0x3fe72f0543e2ed6a, 0x4007e3eba33666d5}},
		{"gamma 7.5", func(s *Stream) float64 { return s.Gamma(7.5) }, [4]uint64{0x4021d00f415056b8, 0x4011bfde90fba3a8, 0x401d6911a3fa1d98, 0x4028a1626626330d}},
		{"log gamma 0.001", func(s *Stream) float64 { return s.LogGamma(0.001) }, [4]uint64{0xc08b114df9df9084, 0xc0718eadd60e2d0a, 0xc0525ff4b7c43e03, 0xc0806cbef69d8612}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New(1, "golden")
			var got [4]uint64
			for i := range got {
				got[i] = math.Float64bits(c.draw(s))
			}
			if got != c.want {
				t.Errorf("got %#016x, want %#016x", got, c.want)
			}
		})
	}
}

// moments returns mean, variance and third central moment of n draws.
func moments(n int, draw func() float64) (mean, variance, third float64) {
	x := make([]float64, n)
	for i := range x {
		x[i] = draw()
		mean += x[i] / float64(n)
	}
	for _, v := range x {
		d := v - mean
		variance += d * d / float64(n)
		third += d * d * d / float64(n)
	}
	return mean, variance, third
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %v, want %v within %v", what, got, want, tolerance)
	}
}

// Tolerances are five standard errors of each moment over n draws: a right generator misses one of them in a million seeds.
func TestNormalMoments(t *testing.T) {
	const n = 200_000
	s := New(1, "normal")
	mean, variance, third := moments(n, s.Normal)
	within(t, "mean", mean, 0, 5/math.Sqrt(n))
	within(t, "variance", variance, 1, 5*math.Sqrt(2.0/n))
	within(t, "third moment", third, 0, 5*math.Sqrt(6.0/n))
}

// Both values of a Box-Muller pair are used; they must not be correlated.
func TestNormalNeighboursAreUncorrelated(t *testing.T) {
	const n = 100_000
	s := New(2, "normal")
	sum := 0.0
	for range n {
		sum += s.Normal() * s.Normal()
	}
	within(t, "covariance", sum/n, 0, 5/math.Sqrt(n))
}

// The tails of the normal distribution: P(|x| > 2) = 0.0455, P(|x| > 3) = 0.0027.
func TestNormalTails(t *testing.T) {
	const n = 200_000
	s := New(3, "normal")
	var beyond2, beyond3 float64
	for range n {
		x := math.Abs(s.Normal())
		if x > 2 {
			beyond2++
		}
		if x > 3 {
			beyond3++
		}
	}
	within(t, "P(|x|>2)", beyond2/n, 0.0455003, 5*math.Sqrt(0.0455/n))
	within(t, "P(|x|>3)", beyond3/n, 0.0026998, 5*math.Sqrt(0.0027/n))
}

// Gamma(a) has mean a, variance a, third central moment 2a and fourth 3a^2+6a, which gives the mean's and the variance's
// standard errors.
func TestGammaMoments(t *testing.T) {
	const n = 200_000
	for _, a := range []float64{0.1, 0.5, 1, 2.5, 40} {
		t.Run(fmt.Sprint(a), func(t *testing.T) {
			s := New(1, "gamma")
			mean, variance, third := moments(n, func() float64 { return s.Gamma(a) })
			within(t, "mean", mean, a, 5*math.Sqrt(a/n))
			within(t, "variance", variance, a, 5*math.Sqrt((2*a*a+6*a)/n))
			within(t, "third moment / 2a", third/(2*a), 1, 0.25) // loose: its error is governed by the sixth moment
		})
	}
}

// -log of an exponential variable, Gamma(1), has the mean Euler's gamma and the variance pi^2/6.
func TestLogGammaMoments(t *testing.T) {
	const n = 200_000
	s := New(1, "log gamma")
	mean, variance, _ := moments(n, func() float64 { return s.LogGamma(1) })
	within(t, "mean", mean, -0.5772156649, 5*math.Sqrt(math.Pi*math.Pi/6/n))
	within(t, "variance", variance, math.Pi*math.Pi/6, 0.05)
}

func TestLogGammaSurvivesTinyShapes(t *testing.T) {
	s := New(1, "tiny")
	for range 1000 {
		if v := s.LogGamma(1e-6); math.IsInf(v, 0) || math.IsNaN(v) {
			t.Fatalf("LogGamma(1e-6) = %v", v)
		}
	}
}

func TestBadArgumentsPanic(t *testing.T) {
	s := New(1, "panic")
	for name, call := range map[string]func(){
		"Below 0":        func() { s.Below(0) },
		"Below negative": func() { s.Below(-3) },
		"Gamma 0":        func() { s.Gamma(0) },
		"Gamma NaN":      func() { s.Gamma(math.NaN()) },
		"Gamma infinite": func() { s.Gamma(math.Inf(1)) },
		"LogGamma -1":    func() { s.LogGamma(-1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}

func BenchmarkPerm(b *testing.B) {
	s := New(1, "perm")
	x := s.Perm(600)
	for b.Loop() {
		s.Shuffle(x)
	}
}
