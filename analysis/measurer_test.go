package analysis

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

const probeSize = 12

// fixture is a small network with two models that lie as far apart as a round's models do, and a probe.
type fixture struct {
	network    *relu.Network
	end, model []float32
	probe      relu.Batch[float32]
}

func newFixture(t testing.TB, hidden ...int) *fixture {
	t.Helper()
	network, err := relu.New(relu.MLP{Input: 5, Hidden: hidden, Output: 3}.Layers(), []int{5}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{network: network, model: make([]float32, network.Parameters())}
	network.Initialize(f.model, relu.KaimingUniform, 1)
	f.end = slices.Clone(f.model)
	stream := keyed.New(1, "fixture")
	for i := range f.end {
		f.end[i] += float32(0.05 * stream.Normal())
	}
	f.probe = relu.Batch[float32]{N: probeSize, X: make([]float32, probeSize*5), Labels: make([]int32, probeSize)}
	for i := range f.probe.X {
		f.probe.X[i] = float32(stream.Normal())
	}
	for i := range f.probe.Labels {
		f.probe.Labels[i] = int32(stream.Below(3))
	}
	return f
}

func (f *fixture) measurer() *Measurer {
	return NewMeasurer(f.network.Layout(), relu.NewMachine[float32](f.network, probeSize))
}

// twinGradient computes the gradient of the mean cross entropy in float64, one example and one weight at a time, straight
// from the definition of a multilayer perceptron.
func (f *fixture) twinGradient(params []float32) []float64 {
	gradient := make([]float64, len(params))
	for n := range f.probe.N {
		f.twinExample(gradient, params, toFloat64(f.probe.X[n*5:(n+1)*5]), int(f.probe.Labels[n]))
	}
	for i := range gradient {
		gradient[i] /= float64(f.probe.N)
	}
	return gradient
}

func (f *fixture) twinExample(gradient []float64, params []float32, x []float64, label int) {
	layout := f.network.Layout()
	inputs := [][]float64{x}
	for i := 0; i < layout.Len(); i += 2 {
		inputs = append(inputs, twinLayer(params, layout.At(i), layout.At(i+1), inputs[i/2], i+2 < layout.Len()))
	}
	delta := twinSoftmax(inputs[len(inputs)-1], label)
	for i := layout.Len() - 2; i >= 0; i -= 2 {
		weight, bias, in := layout.At(i), layout.At(i+1), inputs[i/2]
		before := make([]float64, len(in))
		for out, d := range delta {
			gradient[bias.Offset+out] += d
			for j, v := range in {
				gradient[weight.Offset+out*len(in)+j] += d * v
				if v > 0 { // the gate of the unit that gave v
					before[j] += d * float64(params[weight.Offset+out*len(in)+j])
				}
			}
		}
		delta = before
	}
}

func twinLayer(params []float32, weight, bias tensor.View, in []float64, gated bool) []float64 {
	out := make([]float64, bias.Size)
	for i := range out {
		out[i] = float64(params[bias.Offset+i])
		for j, v := range in {
			out[i] += float64(params[weight.Offset+i*len(in)+j]) * v
		}
		if gated {
			out[i] = math.Max(0, out[i])
		}
	}
	return out
}

// twinSoftmax returns the gradient of the cross entropy with respect to the logits.
func twinSoftmax(logits []float64, label int) []float64 {
	sum, delta := 0.0, make([]float64, len(logits))
	for i, v := range logits {
		delta[i] = math.Exp(v)
		sum += delta[i]
	}
	for i := range delta {
		delta[i] /= sum
	}
	delta[label]--
	return delta
}

func norm(v []float64) float64 { return math.Sqrt(dot(v, v)) }

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func minus(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

func TestMeasureAgainstTwin(t *testing.T) {
	for name, hidden := range map[string][]int{"linear": {}, "one hidden layer": {40}, "three hidden layers": {30, 20, 10}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, hidden...)
			got, err := f.measurer().Measure(7, f.end, f.model, &f.probe)
			if err != nil {
				t.Fatal(err)
			}
			atEnd, atModel := f.twinGradient(f.end), f.twinGradient(f.model)
			end, model := toFloat64(f.end), toFloat64(f.model)
			// Gradients are float32: an error of some 1e-7 of their norm, which in the drift is relative to their difference.
			near(t, "norm at the end", got.NormEnd, norm(atEnd), 1e-6)
			near(t, "norm at the model", got.NormModel, norm(atModel), 1e-6)
			near(t, "drift", got.Drift, norm(minus(atEnd, atModel)), 1e-5)
			near(t, "cosine", got.Cosine, dot(atEnd, atModel)/(norm(atEnd)*norm(atModel)), 1e-6)
			near(t, "divergence", got.Divergence, dot(minus(end, model), minus(end, model)), 1e-13)
			near(t, "norm of the model", got.NormModelParams, norm(model), 1e-13)
			if got.Shard != 7 || got.Weight != 0 {
				t.Errorf("shard %d, weight %v", got.Shard, got.Weight)
			}
		})
	}
}

func TestMeasureAtTheModelItself(t *testing.T) {
	f := newFixture(t, 20)
	sample, err := f.measurer().Measure(0, f.model, f.model, &f.probe)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := sample.Lipschitz(); ok || sample.Drift != 0 || sample.Divergence != 0 || math.Abs(sample.Cosine-1) > 0x1p-52 { // the cosine is rounded
		t.Errorf("end = model: %+v", sample)
	}
	sample.Weight = 1
	drift, err := Combine([]Sample{sample})
	if err != nil {
		t.Fatal(err)
	}
	if drift.Drift != 0 || *drift.DriftRel != 0 || drift.Divergence != 0 || *drift.DivergenceRel != 0 || drift.Lipschitz != nil {
		t.Errorf("end = model: %+v", drift)
	}
}

// What is measured for one shard does not depend on what the measurer did before, costs no memory, and changes nothing.
func TestMeasureReusesItsMemory(t *testing.T) {
	f := newFixture(t, 20, 10)
	want, err := f.measurer().Measure(1, f.end, f.model, &f.probe)
	if err != nil {
		t.Fatal(err)
	}
	end, model, x := slices.Clone(f.end), slices.Clone(f.model), slices.Clone(f.probe.X)
	used := f.measurer()
	var got Sample
	allocations := testing.AllocsPerRun(5, func() {
		if _, err := used.Measure(2, f.model, f.end, &f.probe); err != nil {
			t.Fatal(err)
		}
		if got, err = used.Measure(1, f.end, f.model, &f.probe); err != nil {
			t.Fatal(err)
		}
	})
	if got != want || allocations != 0 {
		t.Errorf("used measurer: %+v, want %+v; %v allocations, want 0", got, want, allocations)
	}
	if !slices.Equal(end, f.end) || !slices.Equal(model, f.model) || !slices.Equal(x, f.probe.X) {
		t.Error("an argument was changed")
	}
}

func TestMeasureRefusesNotFinite(t *testing.T) {
	f := newFixture(t, 20)
	huge := slices.Clone(f.end)
	for i := range huge {
		huge[i] *= 1e30 // finite, but their products are not
	}
	if sample, err := f.measurer().Measure(4, huge, f.model, &f.probe); !errors.Is(err, ErrNotFinite) || sample != (Sample{}) {
		t.Errorf("overflow in the network: %+v, %v", sample, err)
	}
}
