package theory

import (
	"fmt"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// lowRank returns a random matrix of this rank with equal singular values and Frobenius norm 1, nearly.
func lowRank(side, rank int) []float64 {
	m := make([]float64, side*side)
	stream := keyed.New(1, "signal")
	for range rank {
		u, v := vector(stream, side), vector(stream, side)
		scale := 1 / length(u) / length(v) / math.Sqrt(float64(rank))
		for i, a := range u {
			for j, b := range v {
				m[i*side+j] += scale * a * b
			}
		}
	}
	return m
}

// Result D of PAPERS.md 7b: signal of rank 8 and noise, the crossover of the ranks of average and local models against the law.
// The table there has every case within 15%; 30% is asked for.
func TestCrossover(t *testing.T) {
	const side, rho = 128, 0.98
	signal := lowRank(side, 8)
	pull := make([]float64, len(signal))
	for i, v := range signal {
		pull[i] = (1 - rho) * v
	}
	for _, workers := range []int{2, 4, 8} {
		for _, a := range []float64{0.0687, 0.0176} {
			t.Run(fmt.Sprintf("K=%d,a=%g", workers, a), func(t *testing.T) {
				s := simulation{Dynamics: Dynamics{Workers: workers, Steps: 100, Batch: 1, Rho: rho}, side: side, size: a, pull: pull, start: signal}
				s.quick(2, 4)
				average := spectrum(t, mean(s.models), side, side)
				frobenius := analysis.Frobenius(average)
				want, reason := Crossover(a, frobenius, workers)
				if want == nil {
					t.Fatal(reason)
				}
				got := s.crossover(t, average)
				t.Logf("crossover at %.5f, law %.5f", got, *want)
				near(t, "crossover", got, *want, 0.3)
			})
		}
	}
}

// quick is run without spans.
func (s *simulation) quick(seed uint64, rounds int) {
	s.models = make([][]float64, s.Workers)
	for k := range s.models {
		s.models[k] = append([]float64(nil), s.start...)
	}
	for round := range rounds {
		if round > 0 {
			s.synchronize()
		}
		for k, w := range s.models {
			stream := keyed.New(seed, "simulation", uint64(round), uint64(k))
			for range s.Steps {
				s.step(w, stream)
			}
		}
	}
}

// crossover returns the eps below which the average has the larger rank.
func (s *simulation) crossover(t testing.TB, average []float64) float64 {
	average = append([]float64(nil), average...)
	var locals [][]float64
	for _, m := range s.models {
		locals = append(locals, append([]float64(nil), spectrum(t, m, s.side, s.side)...))
	}
	for eps := 0.2; eps > 1e-5; eps *= 0.98 {
		local := 0.0
		for _, l := range locals {
			local += float64(analysis.EpsRank(l, eps)) / float64(len(locals))
		}
		if float64(analysis.EpsRank(average, eps)) > local+0.5 {
			return eps
		}
	}
	t.Fatal("no crossover")
	return 0
}

// P1.13: the initial matrix fades under a signal of low rank; half of its eps-rank is gone at Lambda_c, within 30%.
func TestOnset(t *testing.T) {
	const side, rate = 96, 0.02
	start := vector(keyed.New(1, "start"), side*side)
	for i := range start {
		start[i] *= math.Sqrt(2. / side)
	}
	signal := lowRank(side, 10)
	initial := append([]float64(nil), spectrum(t, start, side, side)...)
	for _, eps := range []float64{0.05, 0.02, 0.01} {
		half := analysis.EpsRank(initial, eps) / 2
		w := append([]float64(nil), start...)
		lambda := Budget(0)
		for {
			s := spectrum(t, w, side, side)
			if analysis.EpsRank(s, eps) <= half {
				want, _ := Onset(initial, analysis.Frobenius(s), eps)
				t.Logf("eps %g: half of the rank is gone at %.3f, law %.3f", eps, float64(lambda), *want)
				near(t, "onset", float64(lambda), *want, 0.3)
				break
			}
			for i, v := range signal {
				w[i] += rate * 5 * (4*v - w[i]) / 5 // a step of decay, and a gradient that holds the signal up
			}
			lambda = lambda.Add(rate, 1, 1)
		}
	}
}

func TestLawsThatDoNotExist(t *testing.T) {
	for _, f := range []func() (*float64, string){
		func() (*float64, string) { return Crossover(1, 1, 1) },
		func() (*float64, string) { return Crossover(0, 1, 2) },
		func() (*float64, string) { return Crossover(1, 0, 2) },
		func() (*float64, string) { return Onset([]float64{0, 0}, 1, 0.1) },
		func() (*float64, string) { return Onset([]float64{2, 1}, 0, 0.1) },
		func() (*float64, string) { return Spread{1, -0.5}.Overtaking(4) },
	} {
		if value, reason := f(); value != nil || reason == "" {
			t.Errorf("%v, %q", value, reason)
		}
	}
	if Cancellation([]float64{1}, []float64{1}, 0) != nil {
		t.Error("kappa of a mean that is 0")
	}
	near(t, "kappa", *Cancellation([]float64{1, 3}, []float64{2, 6}, 4), 1.25, 1e-15)
	onset, _ := Onset([]float64{4, 3, 2, 1, 0}, 2, 0.1) // r_0 = 4, its second
	near(t, "onset", *onset, math.Log(15), 1e-14)
	crossover, _ := Crossover(2, 4, 3)
	near(t, "crossover", *crossover, 0.5*math.Pow(3, -1.5), 1e-14)
}

// What is left of a round's start, against the difference of two runs from different starts with the same gradients.
func TestMemoryAgainstRuns(t *testing.T) {
	rates := [][]float64{{0.1, 0.1, 0.05}, {0.1, 0.1}, {0.2}}
	weights := []float64{2, 1, 5}
	for _, m := range []Memory{{0.3, 0}, {0.3, 2}, {0, 1}} {
		round := func(start, server float64) float64 {
			average := 0.0
			for k, steps := range rates {
				w := start
				for i, lr := range steps {
					w -= lr * (math.Sin(float64(10*k+i)) + m.WeightDecay*w + m.Proximal*(w-start))
				}
				average += weights[k] * w / 8
			}
			return start - server*(start-average)
		}
		var locals []float64
		for _, steps := range rates {
			locals = append(locals, m.Local(steps))
		}
		for _, server := range []float64{1, 0.4} {
			want := round(3, server) - round(2, server)
			if got := RoundDecay(weights, locals, server); math.Abs(got-want) > 1e-14 {
				t.Errorf("%+v, server %g: %v, want %v", m, server, got, want)
			}
		}
	}
	// The closed form for equal steps (1.3 item 6c).
	q := 1 - 0.1*(0.3+2)
	c := math.Pow(q, 20) + 2/2.3*(1-math.Pow(q, 20))
	rates20 := make([]float64, 20)
	for i := range rates20 {
		rates20[i] = 0.1
	}
	near(t, "c_H", Memory{0.3, 2}.Local(rates20), c, 1e-13)
}
