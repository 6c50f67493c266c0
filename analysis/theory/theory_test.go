package theory

import (
	"flag"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

var long = flag.Bool("long", false, "all rows of the table of random dynamics")

func near(t testing.TB, what string, got, want, relative float64) {
	t.Helper()
	if !(math.Abs(got-want) <= relative*math.Abs(want)) {
		t.Errorf("%s: %.12g, want %.12g within %g", what, got, want, relative)
	}
}

// spectrum returns singular values.
func spectrum(t testing.TB, matrix []float64, rows, cols int) []float64 {
	t.Helper()
	s, err := Null{Rows: rows, Cols: cols}.spectrum(new(analysis.Workspace), matrix)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// simulation is Local SGD on one square matrix step by step: W <- rho W + pull - rate G, where G is a sum of batch products of
// random vectors divided by batch.
type simulation struct {
	Dynamics
	side  int
	size  float64   // Frobenius norm of one sample's update; 0: products of Gaussian vectors
	pull  []float64 // added in each step, nil: nothing
	start []float64 // nil: 0

	models [][]float64
	means  []Span // virtual average, step by step
	own    []Span // worker 0 in the current round
}

// run makes rounds and leaves the local models before the last averaging.
func (s *simulation) run(rounds int) {
	s.models = make([][]float64, s.Workers)
	for k := range s.models {
		s.models[k] = make([]float64, s.side*s.side)
		copy(s.models[k], s.start)
	}
	for round := range rounds {
		if round > 0 {
			s.synchronize()
		}
		s.own = nil
		for step := range s.Steps {
			spectral := func(m []float64) float64 { return top(m, s.side) }
			s.means = append(s.means, Span{Decay: s.Rho, Samples: s.Workers * s.Batch, Spectral: spectral(mean(s.models))})
			s.own = append(s.own, Span{Decay: s.Rho, Samples: s.Batch, Spectral: spectral(s.models[0])})
			for k, w := range s.models {
				s.step(w, keyed.New(1, "simulation", uint64(round), uint64(k), uint64(step)))
			}
		}
	}
}

// local returns the spans of worker 0: all rounds before the current one, and its own steps.
func (s *simulation) local() []Span {
	return append(s.means[:len(s.means)-len(s.own):len(s.means)-len(s.own)], s.own...)
}

func (s *simulation) synchronize() {
	average := mean(s.models)
	for _, w := range s.models {
		copy(w, average)
	}
}

func (s *simulation) step(w []float64, stream *keyed.Stream) {
	for i := range w {
		w[i] *= s.Rho
		if s.pull != nil {
			w[i] += s.pull[i]
		}
	}
	for range s.Batch {
		u, v := vector(stream, s.side), vector(stream, s.side)
		scale := 1.0
		if s.size > 0 {
			scale = s.size / length(u) / length(v)
		}
		for i, a := range u {
			for j, b := range v {
				w[i*s.side+j] -= scale * a * b
			}
		}
	}
}

func vector(stream *keyed.Stream, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = stream.Normal()
	}
	return v
}

func mean(models [][]float64) []float64 {
	average := make([]float64, len(models[0]))
	for _, m := range models {
		for i, v := range m {
			average[i] += v / float64(len(models))
		}
	}
	return average
}

// top returns a bound on the spectral norm that is nearly the norm itself: power iteration gives it from below, and a thousandth
// makes it a bound for what these tests need.
func top(m []float64, side int) float64 {
	v := vector(keyed.New(1, "power"), side)
	norm := 0.0
	for range 40 {
		u, next := make([]float64, side), make([]float64, side)
		for i := range side {
			for j, x := range v {
				u[i] += m[i*side+j] * x
			}
		}
		for i, x := range u {
			for j := range side {
				next[j] += m[i*side+j] * x
			}
		}
		if norm = length(next); norm == 0 {
			return 0
		}
		for j := range next {
			next[j] /= norm
		}
		v = next
	}
	return 1.001 * math.Sqrt(norm)
}
