package theory

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/analysis"
)

// The columns of the table of PAPERS.md 1.3 item 7 that are formulas: closed form for any H, law for average and local model.
func TestTableOfLocalSGD(t *testing.T) {
	const eps = 0.05
	n, ok := Forgetting(0.9, eps)
	if !ok || n != 36 {
		t.Fatalf("forgotten after %d steps", n)
	}
	for _, c := range []struct {
		k, h, b, closed, average, local int
	}{
		{1, 1, 1, 36, 21, 21}, {1, 1, 4, 144, 56, 56}, {4, 1, 1, 144, 56, 45}, {4, 5, 1, 144, 56, 21},
		{4, 40, 1, 144, 56, 21}, {2, 20, 2, 144, 56, 36}, {8, 10, 1, 288, 88, 10},
	} {
		d := Dynamics{Workers: c.k, Steps: c.h, Batch: c.b, Rho: 0.9}
		if got := AverageBound(1, c.b, c.k, n); got != c.closed {
			t.Errorf("%+v: bound %d, want %d", d, got, c.closed)
		}
		if got := d.AverageRank(eps); got != c.average {
			t.Errorf("%+v: law for the average %d, want %d", d, got, c.average)
		}
		if got := d.LocalRank(eps); got != c.local {
			t.Errorf("%+v: law for local models %d, want %d", d, got, c.local)
		}
	}
	for h, want := range map[int]int{0: 144, 10: 114, 36: 36, 50: 36} {
		if got := LocalBound(1, 1, 4, h, n); got != want {
			t.Errorf("local bound after %d steps: %d, want %d", h, got, want)
		}
	}
	for _, c := range [][2]float64{{1, 0.1}, {0, 0.1}, {0.9, 0}, {0.9, 1}, {math.NaN(), 0.1}} {
		if n, ok := Forgetting(c[0], c[1]); ok {
			t.Errorf("rho %v, eps %v: %d steps", c[0], c[1], n)
		}
	}
	if n, _ := Forgetting(1-0.1*5e-4, 1e-3); n != 152_015 { // PAPERS.md 1.2 says 152,018 = ln(2/eps)/(lr wd), which suffices
		t.Errorf("forgotten after %d steps", n)
	}
}

// At side 64, K = 4, H = 1 the certificate remembers 72 samples with spectral norms and 116 with Frobenius norms (PAPERS.md 1.2).
func TestCertificateIsTighterInSpectralNorms(t *testing.T) {
	s := simulation{Dynamics: Dynamics{Workers: 4, Steps: 1, Batch: 1, Rho: 0.9}, side: 64}
	s.run(120)
	frobenius := length(mean(s.models))
	c := Certify(Layer{64, 64, 1}, s.means, frobenius, 0.05)
	loose := make([]Span, len(s.means))
	for i, span := range s.means {
		loose[i] = Span{span.Decay, span.Samples, frobenius} // stationary
	}
	l := Certify(Layer{64, 64, 1}, loose, frobenius, 0.05)
	t.Logf("spectral %+v, Frobenius %+v", c, l)
	if c.Samples < 68 || c.Samples > 76 || l.Samples != 116 || !c.Vacuous || !l.Vacuous || c.Bound != 64 {
		t.Errorf("spectral %+v, Frobenius %+v, want 72 and 116 samples", c, l)
	}
}

// Whatever the dynamics, neither the average nor a local model ever has a larger eps-rank than certified, and the bounds are not
// empty.
func TestCertificateIsNeverViolated(t *testing.T) {
	const side = 24
	tight, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := simulation{side: side, Dynamics: Dynamics{
			Workers: rapid.IntRange(1, 3).Draw(t, "K"), Steps: rapid.IntRange(1, 8).Draw(t, "H"),
			Batch: rapid.IntRange(1, 2).Draw(t, "B"), Rho: rapid.Float64Range(0.2, 0.9).Draw(t, "rho"),
		}}
		s.run(rapid.IntRange(1, 6).Draw(t, "rounds"))
		eps := rapid.Float64Range(0.01, 0.5).Draw(t, "eps")
		for name, c := range map[string]struct {
			model []float64
			spans []Span
		}{"average": {mean(s.models), s.means}, "local": {s.models[0], s.local()}} {
			values, err := Null{Rows: side, Cols: side}.spectrum(new(analysis.Workspace), c.model)
			if err != nil {
				t.Fatal(err)
			}
			cert := Certify(Layer{side, side, 1}, c.spans, analysis.Frobenius(values), eps)
			all++
			if !cert.Vacuous {
				tight++
			}
			if rank := analysis.EpsRank(values, eps); cert.Violated(rank) {
				t.Fatalf("%s: rank %d, %+v", name, rank, cert)
			}
		}
	})
	if tight < all/10 {
		t.Errorf("%d of %d certificates say something", tight, all)
	}
}

// Noise of full rank, which no mini-batch gives, violates the certificate: it can fail.
func TestCertificateCanFail(t *testing.T) {
	s := simulation{Dynamics: Dynamics{Workers: 1, Steps: 1, Batch: 30, Rho: 0.5}, side: 24}
	s.run(20)
	for i := range s.means {
		s.means[i].Samples = 1 // a lie
	}
	values := spectrum(t, s.models[0], 24, 24)
	c := Certify(Layer{24, 24, 1}, s.means, analysis.Frobenius(values), 0.05)
	if rank := analysis.EpsRank(values, 0.05); !c.Violated(rank) || c.Vacuous {
		t.Errorf("rank %d does not violate %+v", rank, c)
	}
}

func TestCertificateByHand(t *testing.T) {
	spans := []Span{{0.5, 7, 8}, {0.5, 3, 4}, {0.5, 2, 2}}
	for _, c := range []struct {
		layer Layer
		eps   float64
		want  Certificate
	}{
		{Layer{10, 20, 1}, 1, Certificate{N: 1, Samples: 2, Bound: 2}}, // 0.5 * 2 <= 1
		{Layer{10, 20, 4}, 1, Certificate{N: 1, Samples: 2, Bound: 8}},
		{Layer{10, 20, 5}, 1, Certificate{N: 1, Samples: 2, Bound: 10, Vacuous: true, Reason: "it remembers more samples than the layer has directions"}},
		{Layer{30, 20, 1}, 0.9, Certificate{N: 3, Samples: 12, Bound: 20, Vacuous: true, Reason: "the first matrix is not forgotten yet"}}, // all are 1
	} {
		if got := Certify(c.layer, spans, 1, c.eps); got != c.want {
			t.Errorf("%+v, eps %g: %+v, want %+v", c.layer, c.eps, got, c.want)
		}
	}
	if got := Certify(Layer{3, 4, 1}, nil, 1, 0.5); !got.Vacuous || got.Bound != 3 {
		t.Errorf("no step: %+v", got)
	}
}

func TestSettings(t *testing.T) {
	good := Setting{SGD: true, Decayed: true, Rule: "fedavg", ServerLR: 1}
	for want, change := range map[string]func(*Setting){
		"":                func(*Setting) {},
		"scales":          func(s *Setting) { s.SGD = false },
		"momentum 0.9":    func(s *Setting) { s.Momentum = 0.9 },
		"no weight decay": func(s *Setting) { s.Decayed = false },
		"a penalty":       func(s *Setting) { s.Regularized = true },
		"clipped":         func(s *Setting) { s.ClippedUpdates = true },
		"not averaged":    func(s *Setting) { s.Personal = true },
		"rate 1.5":        func(s *Setting) { s.ServerLR = 1.5 },
		"rate 0 ":         func(s *Setting) { s.ServerLR = 0 },
		"rate NaN":        func(s *Setting) { s.ServerLR = math.NaN() },
		"corrections":     func(s *Setting) { s.Rule, s.Uniform = "scaffold", true },
		"equal weights":   func(s *Setting) { s.Rule, s.FullParticipation = "scaffold", true },
		"rule fedadam":    func(s *Setting) { s.Rule = "fedadam" },
	} {
		s := good
		change(&s)
		if got := s.Excludes(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
	scaffold := Setting{SGD: true, Decayed: true, Rule: "scaffold", ServerLR: 0.5, FullParticipation: true, Uniform: true}
	if why := scaffold.Excludes(); why != "" {
		t.Errorf("%+v: %s", scaffold, why)
	}
}
