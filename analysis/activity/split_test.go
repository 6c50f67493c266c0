package activity

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// splitCase is a network of 6.4, f(x) = sum_r v_r max(0, w_r x) with v_r = +-1/sqrt m, two weights W at some distance, and n unit
// inputs with random targets.
type splitCase struct {
	net          *relu.Network
	here, there  []float64
	batch        *relu.Batch[float64]
	d, m, n      int
	w, other, v  []float64
	displacement float64
}

func newSplitCase(t testing.TB, key uint64, m int, distance float64) splitCase {
	const d, n = 10, 32
	c := splitCase{net: newNetwork(t, []relu.Layer{relu.Linear{In: d, Out: m}, relu.ReLU{}, relu.Linear{In: m, Out: 1}}, d), d: d, m: m, n: n}
	stream := keyed.New(key, "split")
	for range m * d {
		c.w = append(c.w, stream.Normal())
	}
	for range m {
		c.v = append(c.v, float64(1-2*stream.Below(2))/math.Sqrt(float64(m)))
	}
	for _, x := range c.w {
		move := distance * stream.Normal()
		c.other = append(c.other, x+move)
		c.displacement += move * move
	}
	c.displacement = math.Sqrt(c.displacement)
	c.here, c.there = slices.Concat(c.w, c.v), slices.Concat(c.other, c.v)
	c.batch = &relu.Batch[float64]{N: n}
	for range n {
		x, square := make([]float64, d), 0.0
		for j := range x {
			x[j] = stream.Normal()
			square += x[j] * x[j]
		}
		for j := range x {
			x[j] /= math.Sqrt(square)
		}
		c.batch.X = append(c.batch.X, x...)
		c.batch.Targets = append(c.batch.Targets, stream.Normal())
	}
	return c
}

// plain is the split by the sums of 6.4, unit by unit, in units of the mean squared error.
func (c splitCase) plain() (drift, smooth, gates, flips, bound float64) {
	a, b := make([]float64, c.m*c.d), make([]float64, c.m*c.d)
	for i := range c.n {
		x := c.batch.X[i*c.d : (i+1)*c.d]
		f, g := 0.0, 0.0
		open, before := make([]float64, c.m), make([]float64, c.m)
		flipped := 0.0
		for r := range c.m {
			p, q := 0.0, 0.0
			for j, v := range x {
				p += c.w[r*c.d+j] * v
				q += c.other[r*c.d+j] * v
			}
			if p > 0 {
				open[r] = 1
			}
			if q > 0 {
				before[r] = 1
			}
			f, g = f+c.v[r]*max(0, p), g+c.v[r]*max(0, q)
			flipped += math.Abs(open[r] - before[r])
		}
		residual := g - c.batch.Targets[i]
		for r := range c.m {
			for j, v := range x {
				a[r*c.d+j] += 2 / float64(c.n) * (f - g) * c.v[r] * open[r] * v
				b[r*c.d+j] += 2 / float64(c.n) * residual * c.v[r] * (open[r] - before[r]) * v
			}
		}
		flips += flipped / float64(c.n*c.m)
		bound += 2 / float64(c.n) * math.Abs(residual) * math.Sqrt(flipped/float64(c.m))
	}
	for i := range a {
		drift += (a[i] + b[i]) * (a[i] + b[i])
		smooth += a[i] * a[i]
		gates += b[i] * b[i]
	}
	return math.Sqrt(drift), math.Sqrt(smooth), math.Sqrt(gates), flips, bound + 2*c.displacement
}

func TestSplitAgainstPlainSums(t *testing.T) {
	for key, m := range []int{8, 32, 300} {
		for _, distance := range []float64{0, 0.01, 0.3} {
			c := newSplitCase(t, uint64(key), m, distance)
			s, reason := MeasureSplit(c.net, c.here, c.there, c.batch)
			if reason != "" {
				t.Fatal(reason)
			}
			drift, smooth, gates, flips, bound := c.plain()
			for _, one := range []struct {
				what      string
				got, want float64
			}{
				{"drift", s.Drift, drift}, {"smooth", s.Smooth, smooth}, {"gates", s.Gates, gates}, {"flips", s.Flips, flips},
				{"bound", s.Bound, bound}, {"displacement", s.Displacement, c.displacement},
			} {
				if math.Abs(one.got-one.want) > 1e-9*(1e-3+one.want) {
					t.Errorf("m = %d, distance %g: %s is %v, want %v", m, distance, one.what, one.got, one.want)
				}
			}
			if distance > 0.1 && (flips == 0 || s.Gates == 0) {
				t.Errorf("m = %d: nothing flips", m)
			}
		}
	}
}

// P6.4 in 800 cases; the control has it without the term of the gates, which is false.
func TestSplitBoundIsNeverViolated(t *testing.T) {
	largest, control := 0.0, 0
	for key := range uint64(800) {
		c := newSplitCase(t, key, []int{4, 16, 64}[key%3], []float64{1e-4, 1e-2, 0.3, 3}[key%4])
		if key%2 == 0 {
			for i := range c.batch.Targets {
				c.batch.Targets[i] *= 100
			}
		}
		s, reason := MeasureSplit(c.net, c.here, c.there, c.batch)
		if reason != "" {
			t.Fatal(reason)
		}
		largest = max(largest, s.Drift/s.Bound)
		if s.Smooth > s.SmoothBound*(1+1e-12) || s.Gates > s.GatesBound*(1+1e-9)+1e-12 || s.Drift > s.Bound*(1+1e-12) {
			t.Errorf("case %d: %+v", key, s)
		}
		if s.Drift > s.SmoothBound {
			control++
		}
	}
	if control == 0 || largest < 0.01 {
		t.Errorf("the gates matter in %d cases, the largest drift is %v of its bound", control, largest)
	}
}

// With biases and a skip connection the bound has a 1 behind the inputs, and holds.
func TestSplitWithBiasesAndSkip(t *testing.T) {
	net := newNetwork(t, relu.Shallow{Input: 3, Width: 20, Output: 1, Skip: true}.Layers(), 3)
	w, _, _ := net.OneHiddenLayer()
	for key := range uint64(50) {
		stream := keyed.New(key, "split with biases")
		here := make([]float64, net.Parameters())
		for i := range here {
			here[i] = stream.Normal()
		}
		there := slices.Clone(here)
		b, _ := net.Layout().Lookup(strings.TrimSuffix(w.Name, "weight") + "bias")
		for _, v := range []struct{ offset, size int }{{w.Offset, w.Size}, {b.Offset, b.Size}} {
			for j := range v.size {
				there[v.offset+j] += 0.2 * stream.Normal()
			}
		}
		batch := &relu.Batch[float64]{N: 8, X: make([]float64, 24), Targets: make([]float64, 8)}
		for i := range batch.X {
			batch.X[i] = stream.Normal()
		}
		s, reason := MeasureSplit(net, here, there, batch)
		if reason != "" {
			t.Fatal(reason)
		}
		if s.Drift > s.Bound || s.Flips == 0 || s.Drift == 0 {
			t.Errorf("%+v", s)
		}
		there[net.Parameters()-1]++
		if _, reason := MeasureSplit(net, here, there, batch); !strings.Contains(reason, "the models differ in") {
			t.Errorf("reason %q", reason)
		}
	}
}

func TestNetworksWithoutSplit(t *testing.T) {
	line := []relu.Layer{relu.Linear{In: 2, Out: 3}, relu.ReLU{}, relu.Linear{In: 3, Out: 1}}
	for want, net := range map[string]*relu.Network{
		"has not one hidden layer": newNetwork(t, []relu.Layer{relu.Linear{In: 2, Out: 1}}, 2),
		"2 outputs":                newNetwork(t, []relu.Layer{line[0], line[1], relu.Linear{In: 3, Out: 2}}, 2),
		"slope":                    newNetwork(t, []relu.Layer{line[0], relu.ReLU{Slope: 0.5}, line[2]}, 2),
		"no targets":               newNetwork(t, line, 2),
	} {
		block := make([]float64, net.Parameters())
		if _, reason := MeasureSplit(net, block, block, &relu.Batch[float64]{N: 1, X: make([]float64, 2)}); !strings.Contains(reason, want) {
			t.Errorf("reason %q, want %q", reason, want)
		}
	}
}
