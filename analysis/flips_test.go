package analysis

import (
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// gated is the two-layer network f(x) = m^-1/2 sum_r a_r max(0, w_r.x) with fixed signs a_r and ||x|| = 1, and the loss
// (1/2n) sum (f(x_i) - y_i)^2 of one shard: the setting of the exact inequality of PAPERS.md 6.4.
type gated struct {
	inputs, units int
	signs         []float64
	x, y          []float64
}

func newGated(shard uint64, units, examples int) *gated {
	g := &gated{inputs: 10, units: units, signs: make([]float64, units)}
	for r := range g.signs {
		g.signs[r] = float64(1 - 2*(r%2))
	}
	g.x = gaussian(80+shard, examples, g.inputs)
	for i := range examples {
		x := g.example(i)
		length := norm(x)
		for j := range x {
			x[j] /= length
		}
	}
	g.y = gaussian(90+shard, examples, 1)
	return g
}

func (g *gated) example(i int) []float64           { return g.x[i*g.inputs : (i+1)*g.inputs] }
func (g *gated) unit(w []float64, r int) []float64 { return w[r*g.inputs : (r+1)*g.inputs] }

func (g *gated) output(w, x []float64) float64 {
	sum := 0.0
	for r, sign := range g.signs {
		sum += sign * math.Max(0, dot(g.unit(w, r), x))
	}
	return sum / math.Sqrt(float64(g.units))
}

func (g *gated) gradient(w []float64) []float64 {
	gradient := make([]float64, len(w))
	for i, y := range g.y {
		x := g.example(i)
		residual := (g.output(w, x) - y) / float64(len(g.y)) / math.Sqrt(float64(g.units))
		for r, sign := range g.signs {
			if dot(g.unit(w, r), x) > 0 {
				for j, v := range x {
					gradient[r*g.inputs+j] += residual * sign * v
				}
			}
		}
	}
	return gradient
}

// bound returns ||W-W'|| + (1/n) sum_i |r_i(W')| sqrt(S_i/m), S_i the number of gates that differ at example i.
func (g *gated) bound(w, other []float64) float64 {
	sum := 0.0
	for i, y := range g.y {
		x, flips := g.example(i), 0.0
		for r := range g.units {
			if (dot(g.unit(w, r), x) > 0) != (dot(g.unit(other, r), x) > 0) {
				flips++
			}
		}
		sum += math.Abs(g.output(other, x)-y) * math.Sqrt(flips/float64(g.units))
	}
	return norm(minus(w, other)) + sum/float64(len(g.y))
}

// train makes full-batch gradient steps and returns the params after them as float32, which is what workers hold.
func (g *gated) train(start []float64, steps int) []float64 {
	w := append([]float64(nil), start...)
	for range steps {
		for i, v := range g.gradient(w) {
			w[i] -= 0.5 * v
		}
	}
	return toFloat64(toFloat32(w))
}

// One round of Local GD on four shards, at several widths and numbers of local steps: what Compare reports obeys the
// inequality, and local models drift further with more local steps.
func TestDriftObeysTheGateInequality(t *testing.T) {
	const shards = 4
	for _, units := range []int{8, 32, 256} {
		layout := newLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{units, 10}})
		start := gaussian(79, units, 10)
		before := 0.0
		for _, steps := range []int{1, 5, 20} {
			problems, ends := make([]*gated, shards), make([][]float64, shards)
			for k := range ends {
				problems[k] = newGated(uint64(k), units, 8)
				ends[k] = problems[k].train(start, steps)
			}
			model := toFloat64(toFloat32(average(ends)))
			var samples []Sample
			for k, g := range problems {
				s := g.compare(t, layout, k, ends[k], model)
				// The gradients are rounded to float32 before Compare: 2^-24 of their norms.
				if slack := 0x1p-23 * (s.NormEnd + s.NormModel); s.Drift > g.bound(ends[k], model)+slack {
					t.Errorf("m=%d, H=%d, shard %d: drift %g exceeds the bound %g", units, steps, k, s.Drift, g.bound(ends[k], model))
				}
				samples = append(samples, s)
			}
			d := combine(t, samples...)
			t.Logf("m=%d H=%d: drift %.4f, drift_rel %.3f, lipschitz %.3f, cosine %.3f", units, steps, d.Drift, *d.DriftRel, *d.Lipschitz, *d.Cosine)
			if *d.DriftRel <= before {
				t.Errorf("m=%d: drift_rel %g after %d local steps, %g after fewer", units, *d.DriftRel, steps, before)
			}
			before = *d.DriftRel
		}
	}
}

func (g *gated) compare(t testing.TB, layout *tensor.Layout, shard int, end, model []float64) Sample {
	t.Helper()
	s, err := Compare(shard, layout, Point{toFloat32(end), toFloat32(g.gradient(end))}, Point{toFloat32(model), toFloat32(g.gradient(model))})
	if err != nil {
		t.Fatal(err)
	}
	s.Weight = 1
	return s
}
