package relu_test

import (
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func TestRandomSignsAreForOneHiddenLayer(t *testing.T) {
	net, err := relu.New(relu.Shallow{Input: 4, Width: 1000, Output: 2, Skip: true}.Layers(), []int{4}, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]float32, net.Parameters())
	net.Initialize(block, relu.RandomSigns{Std: 2, Scale: 0.25}, 1)
	of := func(name string) []float32 {
		v, ok := net.Layout().Lookup(name)
		if !ok {
			t.Fatalf("no tensor %s", name)
		}
		return tensor.Of(block, v)
	}
	for _, name := range []string{"0.body.0.weight", "0.body.0.bias"} {
		square := 0.0
		for _, x := range of(name) {
			square += float64(x) * float64(x)
		}
		// The mean square of n normals is within 4 sqrt(2/n) of its value but once in 16,000.
		n := float64(len(of(name)))
		if got := square / n / 4; math.Abs(got-1) > 4*math.Sqrt(2/n) {
			t.Errorf("%s: the mean square is %v times that of the standard deviation", name, got)
		}
	}
	positive := 0
	for _, x := range of("0.body.2.weight") {
		if x != 0.25 && x != -0.25 {
			t.Fatalf("an output weight is %v", x)
		}
		if x > 0 {
			positive++
		}
	}
	// Of 2,000 even odds, 4 standard deviations.
	if math.Abs(float64(positive)-1000) > 4*math.Sqrt(500) {
		t.Errorf("%d of 2000 output weights are positive", positive)
	}
	for _, name := range []string{"0.body.2.bias", "0.shortcut.0.weight"} {
		for _, x := range of(name) {
			if x != 0 {
				t.Errorf("%s has the value %v", name, x)
			}
		}
	}
}

func TestOneHiddenLayer(t *testing.T) {
	norm := relu.LayerNorm{Features: 3, Eps: 1}
	in, out := relu.Linear{In: 2, Out: 3, Bias: true}, relu.Linear{In: 3, Out: 2}
	for _, c := range []struct {
		name   string
		layers []relu.Layer
		w, v   string // empty: none
	}{
		{"shallow", relu.Shallow{Input: 2, Width: 3, Output: 2}.Layers(), "0.weight", "2.weight"},
		{"with a skip connection", relu.Shallow{Input: 2, Width: 3, Output: 2, Skip: true}.Layers(), "0.body.0.weight", "0.body.2.weight"},
		{"without biases", []relu.Layer{relu.Linear{In: 2, Out: 3}, relu.ReLU{Slope: 0.1}, out}, "0.weight", "2.weight"},
		{"identity as skip connection", []relu.Layer{relu.Residual{Body: []relu.Layer{in, relu.ReLU{}, out}}}, "", ""},
		{"softplus", []relu.Layer{in, relu.Softplus{}, out}, "", ""},
		{"norm", []relu.Layer{in, norm, relu.ReLU{}, out}, "", ""},
		{"more after it", []relu.Layer{relu.Residual{Body: []relu.Layer{in, relu.ReLU{}, out}}, relu.ReLU{}}, "", ""},
		{"linear", []relu.Layer{in}, "", ""},
	} {
		net, err := relu.New(c.layers, []int{2}, relu.MSE)
		if err != nil {
			t.Fatal(err)
		}
		w, v, ok := net.OneHiddenLayer()
		if ok != (c.w != "") || w.Name != c.w || v.Name != c.v {
			t.Errorf("%s: %q, %q, %t", c.name, w.Name, v.Name, ok)
		}
	}
}
