package activity

import (
	"fmt"
	"math"
	"strings"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Split is where the difference of two gradients of a network of one hidden layer comes from, when only the weights W into that
// layer (with their biases, if there are) differ (P6 6.4). With f, r and grad f the output, residual and gradient of an example,
// and ' for the second place, grad F(W) - grad F(W') = A + C exactly: A = (2/n) sum (f_i - f'_i) grad f_i(W) is smooth, C =
// (2/n) sum r'_i (grad f_i(W) - grad f_i(W')) comes from flipped gates alone. F is the mean squared error, hence the 2.
type Split struct {
	Drift        float64 // ||grad F(W) - grad F(W')||
	Smooth       float64 // ||A||
	Gates        float64 // ||C||
	Displacement float64 // ||W - W'||
	Flips        float64 // fraction of (example, unit) pairs whose gates differ (M7)
	Bound        float64 // SmoothBound + GatesBound, which Drift never exceeds but for rounding
	SmoothBound  float64 // 2 |v|^2 mean |x_i|^2 ||W - W'||, v the weights out of the layer; x_i with a 1 behind it where there are biases
	GatesBound   float64 // (2/n) sum |r'_i| |x_i| sqrt(sum of v_r^2 over the units r whose gates on x_i differ)
}

// MeasureSplit measures the split between params W and other W' on a batch with targets, of which it keeps nothing. Instead it returns
// a reason where the network is not linear, ReLU of slope 0, linear with one output and mean squared error (with or without a
// skip connection), or the two differ in other weights.
func MeasureSplit(net *relu.Network, params, other []float64, batch *relu.Batch[float64]) (*Split, string) {
	s, reason := newSplitter(net, batch)
	if reason != "" {
		return nil, reason
	}
	if reason := s.sameOutside(params, other); reason != "" {
		return nil, reason
	}
	here, there := s.at(params), s.at(other)
	difference := s.gradient(params, there.outputs) // the residuals are f - f'
	kept := make([]float64, batch.N)
	for i, f := range here.outputs {
		kept[i] = f - (there.outputs[i] - batch.Targets[i])
	}
	gates := s.gradient(params, kept) // the residuals are r'
	split := &Split{
		Drift:  s.length(here.gradient, there.gradient),
		Smooth: s.length(difference, nil), Gates: s.length(gates, there.gradient),
		Displacement: s.length(params, other),
	}
	s.bound(split, here, there, params)
	return split, ""
}

// splitter is what MeasureSplit works with.
type splitter struct {
	net     *relu.Network
	batch   *relu.Batch[float64]
	machine *relu.Machine[float64]
	trained []tensor.View // W and its biases
	v       tensor.View
	units   int
}

func newSplitter(net *relu.Network, batch *relu.Batch[float64]) (*splitter, string) {
	w, v, ok := net.OneHiddenLayer()
	switch {
	case !ok:
		return nil, "the network has not one hidden layer"
	case net.Outputs() != 1 || net.Loss() != relu.MSE:
		return nil, fmt.Sprintf("the network has %d outputs and the loss %v, want one and mse", net.Outputs(), net.Loss())
	case slope(net) != 0:
		return nil, fmt.Sprintf("the activation has the slope %g", slope(net))
	case len(batch.Targets) != batch.N:
		return nil, "the batch has no targets"
	}
	s := &splitter{net: net, batch: batch, machine: relu.NewMachine[float64](net, batch.N), v: v, units: w.Shape[0]}
	s.trained = append(s.trained, w)
	if b, ok := net.Layout().Lookup(strings.TrimSuffix(w.Name, "weight") + "bias"); ok {
		s.trained = append(s.trained, b)
	}
	return s, ""
}

// slope returns that of the activation of a network of one hidden layer.
func slope(net *relu.Network) float64 {
	layers := net.Layers()
	if r, is := layers[0].(relu.Residual); is {
		layers = r.Body
	}
	return layers[1].(relu.ReLU).Slope
}

func (s *splitter) isTrained(v tensor.View) bool {
	for _, t := range s.trained {
		if t.Offset == v.Offset {
			return true
		}
	}
	return false
}

func (s *splitter) sameOutside(a, b []float64) string {
	for i := range s.net.Layout().Len() {
		v := s.net.Layout().At(i)
		for j, x := range tensor.Of(a, v) {
			if !s.isTrained(v) && x != b[v.Offset+j] {
				return fmt.Sprintf("the models differ in %s, too", v.Name)
			}
		}
	}
	return ""
}

// splitPoint is what is known at one place.
type splitPoint struct {
	outputs, gradient []float64
	gates             Pattern
}

func (s *splitter) at(params []float64) splitPoint {
	recorder := NewRecorder(s.net)
	s.machine.Watch(&Narrow{To: recorder})
	p := splitPoint{outputs: append([]float64(nil), s.machine.Forward(params, s.batch)...), gates: recorder.Take()}
	s.machine.Watch(nil)
	p.gradient = s.gradient(params, s.batch.Targets)
	return p
}

// gradient returns the gradient of the mean squared error against targets.
func (s *splitter) gradient(params, targets []float64) []float64 {
	b := relu.Batch[float64]{N: s.batch.N, X: s.batch.X, Targets: targets}
	g := make(wideGradient, len(params))
	s.machine.Probe(params, &b, g)
	return g
}

type wideGradient []float64

// Gradient implements relu.Sink.
func (g wideGradient) Gradient(offset int, part []float64) { copy(g[offset:], part) }

// length returns ||a - b|| over W and its biases; b may be nil for 0.
func (s *splitter) length(a, b []float64) float64 {
	sum := 0.0
	for _, v := range s.trained {
		for j := v.Offset; j < v.Offset+v.Size; j++ {
			d := a[j]
			if b != nil {
				d -= b[j]
			}
			sum += float64(d * d)
		}
	}
	return math.Sqrt(sum)
}

func (s *splitter) bound(split *Split, here, there splitPoint, params []float64) {
	n, width := float64(s.batch.N), s.net.Inputs()
	v, whole := tensor.Of(params, s.v), 0.0
	for _, w := range v {
		whole += float64(w * w)
	}
	inputs, flips := 0.0, 0
	for i := range s.batch.N {
		square := float64(len(s.trained) - 1) // the 1 that biases see
		for _, x := range s.batch.X[i*width : (i+1)*width] {
			square += float64(x * x)
		}
		inputs += square / n
		flipped := 0.0
		for r := range s.units {
			if at := i*s.units + r; here.gates[0].Open(at) != there.gates[0].Open(at) {
				flips++
				flipped += float64(v[r] * v[r])
			}
		}
		residual := math.Abs(there.outputs[i] - s.batch.Targets[i])
		split.GatesBound += float64(2 / n * residual * math.Sqrt(float64(square*flipped)))
	}
	split.Flips = float64(flips) / float64(s.batch.N*s.units)
	split.SmoothBound = float64(2 * whole * inputs * split.Displacement)
	split.Bound = split.SmoothBound + split.GatesBound
}
