package relu

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// watched collects copies of all that it sees.
type watched struct {
	order   []int
	outputs [][]float64
}

func (w *watched) Activation(i int, y []float64, _ int) {
	w.order = append(w.order, i)
	w.outputs = append(w.outputs, slices.Clone(y))
}

func randomBlock(n *Network, seed uint64) []float64 {
	params := make([]float32, n.Parameters())
	n.Initialize(params, KaimingUniform, seed)
	wide := make([]float64, len(params))
	for i, v := range params {
		wide[i] = float64(v)
	}
	return wide
}

func randomInputs(n *Network, examples int) *Batch[float64] {
	b := &Batch[float64]{N: examples, X: make([]float64, examples*n.Inputs()), Labels: make([]int32, examples)}
	stream := keyed.New(3, "watch test")
	for i := range b.X {
		b.X[i] = stream.Normal()
	}
	return b
}

// A network whose activations stand everywhere: first, after a linear layer, inside a residual layer's body and shortcut,
// after a scale, before a pool, twice in a row.
func TestActivationsAreNamedAndShaped(t *testing.T) {
	n, err := New([]Layer{
		ReLU{}, Conv2D{In: 1, Out: 2, Kernel: 3, Stride: 1, Padding: 1}, ReLU{Slope: 0.1}, MaxPool2D{Kernel: 2, Stride: 2},
		Residual{Body: []Layer{Conv2D{In: 2, Out: 2, Kernel: 1, Stride: 1}, Softplus{}}, Shortcut: []Layer{ReLU{}}},
		Flatten{}, Linear{In: 8, Out: 5}, ReLU{}, ReLU{}, Scale{Factor: 2}, Linear{In: 5, Out: 3},
	}, []int{1, 4, 4}, CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(n.Activations())
	want := "[{0 [1 4 4] true} {2 [2 4 4] true} {4.body.1 [2 2 2] false} {4.shortcut.0 [2 2 2] true} {7 [5] true} {8 [5] true}]"
	if got != want {
		t.Errorf("activations\n%s, want\n%s", got, want)
	}
	w := &watched{}
	m := NewMachine[float64](n, 3)
	params, b := randomBlock(n, 1), randomInputs(n, 3)
	plain := slices.Clone(m.Forward(params, b))
	m.Watch(w)
	if seen := m.Forward(params, b); !slices.Equal(seen, plain) {
		t.Error("being watched changes outputs")
	}
	if !slices.Equal(w.order, []int{0, 1, 2, 3, 4, 5}) {
		t.Errorf("seen in the order %v", w.order)
	}
	for i, a := range n.Activations() {
		if len(w.outputs[i]) != 3*product(a.Shape) {
			t.Errorf("activation %s shows %d numbers", a.Name, len(w.outputs[i]))
		}
	}
	m.Watch(nil)
	m.Evaluate(params, b)
	if len(w.order) != 6 {
		t.Error("seen after watching ended")
	}
}

// What is shown is the definition of a perceptron, in every pass.
func TestWatchedOutputsAreThoseOfAPerceptron(t *testing.T) {
	n, err := New(MLP{Input: 4, Hidden: []int{6, 5}, Output: 3, Slope: 0.25}.Layers(), []int{4}, CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	params, b := randomBlock(n, 2), randomInputs(n, 7)
	for name, pass := range map[string]func(m *Machine[float64]){
		"forward":  func(m *Machine[float64]) { m.Forward(params, b) },
		"probe":    func(m *Machine[float64]) { m.Probe(params, b, ignore{}) },
		"backward": func(m *Machine[float64]) { m.Backward(params, b, ignore{}) },
		"held":     func(m *Machine[float64]) { m.Hold(params); m.Backward(params, b, ignore{}) },
	} {
		w := &watched{}
		m := NewMachine[float64](n, 7)
		m.Watch(w)
		pass(m)
		x := b.X
		for i, got := range w.outputs {
			x = perceptronLayer(n, params, x, 2*i)
			for j := range x {
				if math.Abs(got[j]-x[j]) > 1e-12 {
					t.Fatalf("%s: activation %d, number %d is %v, want %v", name, i, j, got[j], x[j])
				}
			}
		}
		if len(w.outputs) != 2 {
			t.Errorf("%s: %d activations seen", name, len(w.outputs))
		}
	}
}

type ignore struct{}

func (ignore) Gradient(int, []float64) {}

// perceptronLayer computes a linear layer and its leaky ReLU by the definition; tensor i is the weight, i+1 the bias.
func perceptronLayer(n *Network, params, x []float64, i int) []float64 {
	w, bias := n.layout.At(i), n.layout.At(i+1)
	out, in := w.Shape[0], w.Shape[1]
	var y []float64
	for row := 0; row < len(x); row += in {
		for o := range out {
			sum := params[bias.Offset+o]
			for j := range in {
				sum += params[w.Offset+o*in+j] * x[row+j]
			}
			if sum <= 0 {
				sum *= 0.25
			}
			y = append(y, sum)
		}
	}
	return y
}
