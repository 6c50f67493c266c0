package relu_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func TestLayoutNamesTensorsAsPyTorch(t *testing.T) {
	layers := []relu.Layer{
		relu.Linear{In: 6, Out: 5, Bias: true}, relu.ReLU{},
		relu.Linear{In: 5, Out: 4}, relu.ReLU{Slope: 0.1}, relu.ReLU{},
		relu.Linear{In: 4, Out: 3, Bias: true},
	}
	net, err := relu.New(layers, []int{1, 2, 3}, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range net.Layout().Len() {
		names = append(names, net.Layout().At(i).Name)
	}
	if want := []string{"0.weight", "0.bias", "2.weight", "5.weight", "5.bias"}; !slices.Equal(names, want) {
		t.Errorf("tensors %v, want %v", names, want)
	}
	if v, _ := net.Layout().Lookup("5.weight"); !slices.Equal(v.Shape, []int{3, 4}) {
		t.Errorf("5.weight has shape %v, want [out, in] = [3 4]", v.Shape)
	}
	if net.Inputs() != 6 || net.Outputs() != 3 || net.Parameters() != 30+5+20+12+3 || net.Loss() != relu.MSE {
		t.Errorf("inputs %d, outputs %d, parameters %d, loss %v", net.Inputs(), net.Outputs(), net.Parameters(), net.Loss())
	}
	if !slices.Equal(net.Layers(), layers) {
		t.Errorf("layers %v", net.Layers())
	}
}

func TestMLPLayers(t *testing.T) {
	got := relu.MLP{Input: 4, Hidden: []int{3, 2}, Output: 1, NoBias: true, Slope: 0.2}.Layers()
	want := []relu.Layer{relu.Linear{In: 4, Out: 3}, relu.ReLU{Slope: 0.2}, relu.Linear{In: 3, Out: 2}, relu.ReLU{Slope: 0.2}, relu.Linear{In: 2, Out: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestInvalidNetworksAreRefused(t *testing.T) {
	linear := func(in, out int) relu.Layer { return relu.Linear{In: in, Out: out} }
	for _, c := range []struct {
		name   string
		layers []relu.Layer
		input  []int
		loss   relu.Loss
		want   string
	}{
		{"no layers", nil, []int{4}, relu.MSE, "no layer has parameters"},
		{"no parameters", []relu.Layer{relu.ReLU{}}, []int{4}, relu.MSE, "no layer has parameters"},
		{"nil layer", []relu.Layer{nil}, []int{4}, relu.MSE, "layer 0 is nil"},
		{"no outputs", []relu.Layer{linear(4, 0)}, []int{4}, relu.MSE, "layer 0: linear from 4 to 0"},
		{"wrong inputs", []relu.Layer{linear(4, 3), relu.ReLU{}, linear(4, 2)}, []int{4}, relu.MSE, "layer 2: linear takes 4 inputs, but gets 3"},
		{"wrong example", []relu.Layer{linear(784, 3)}, []int{3, 32, 32}, relu.MSE, "layer 0: linear takes 784 inputs, but gets 3072 (shape [3 32 32])"},
		{"negative slope", []relu.Layer{linear(4, 3), relu.ReLU{Slope: -1}}, []int{4}, relu.MSE, "layer 1: relu with slope -1"},
		{"slope not a number", []relu.Layer{linear(4, 3), relu.ReLU{Slope: math.NaN()}}, []int{4}, relu.MSE, "layer 1: relu with slope NaN"},
		{"infinite slope", []relu.Layer{linear(4, 3), relu.ReLU{Slope: math.Inf(1)}}, []int{4}, relu.MSE, "slope +Inf"},
		{"no shape", []relu.Layer{linear(1, 3)}, nil, relu.MSE, "shape []"},
		{"empty shape", []relu.Layer{linear(0, 3)}, []int{3, 0}, relu.MSE, "shape [3 0]"},
		{"unknown loss", []relu.Layer{linear(4, 3)}, []int{4}, relu.Loss(7), "Loss(7)"},
		{"too large", []relu.Layer{linear(1<<20, 1<<20)}, []int{1 << 20}, relu.MSE, "0.weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := relu.New(c.layers, c.input, c.loss)
			if !errors.Is(err, relu.ErrNetwork) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want ErrNetwork with %q", err, c.want)
			}
		})
	}
}

// initialised returns a tensor of a network 400-[300]-200 with leaky units of slope 0.5.
func initialised(t *testing.T, init relu.Initializer, name string, seed uint64) []float32 {
	t.Helper()
	net, err := relu.New(relu.MLP{Input: 400, Hidden: []int{300}, Output: 200, Slope: 0.5}.Layers(), []int{400}, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]float32, net.Parameters())
	for i := range block {
		block[i] = float32(math.NaN()) // whatever is not written shows
	}
	net.Initialize(block, init, seed)
	v, ok := net.Layout().Lookup(name)
	if !ok {
		t.Fatalf("no tensor %q", name)
	}
	return tensor.Of(block, v)
}

// The moments of each initialisation. A mean over n draws of variance v is off by 5 sqrt(v/n) once in a million, a variance
// by 5 v sqrt((k-1)/n) with the kurtosis k: 9/5 for uniform draws, 3 for normal ones.
func TestInitialisationsHaveTheirMoments(t *testing.T) {
	uniform := func(bound float64) float64 { return bound * bound / 3 }
	for _, c := range []struct {
		init     relu.Init
		name     string
		bound    float64 // no value is larger
		variance float64
		kurtosis float64
	}{
		{relu.KaimingUniform, "0.weight", 1.0 / 20, uniform(1.0 / 20), 1.8},
		{relu.KaimingUniform, "0.bias", 1.0 / 20, uniform(1.0 / 20), 1.8},
		{relu.KaimingUniform, "2.weight", 1 / math.Sqrt(300), uniform(1 / math.Sqrt(300)), 1.8},
		{relu.KaimingNormal, "0.weight", math.Inf(1), 2 / 1.25 / 400, 3},
		{relu.KaimingNormal, "2.weight", math.Inf(1), 2 / 1.25 / 300, 3},
		{relu.Xavier, "0.weight", math.Sqrt(6.0 / 700), 2.0 / 700, 1.8},
		{relu.Xavier, "2.weight", math.Sqrt(6.0 / 500), 2.0 / 500, 1.8},
	} {
		t.Run(c.init.String()+" "+c.name, func(t *testing.T) {
			values := initialised(t, c.init, c.name, 1)
			n := float64(len(values))
			mean, square, largest := 0.0, 0.0, 0.0
			for _, v := range values {
				mean += float64(v) / n
				square += float64(v) * float64(v) / n
				largest = max(largest, math.Abs(float64(v)))
			}
			if !(math.Abs(mean) <= 5*math.Sqrt(c.variance/n)) {
				t.Errorf("mean %v", mean)
			}
			if !(math.Abs(square-c.variance) <= 5*c.variance*math.Sqrt((c.kurtosis-1)/n)) {
				t.Errorf("variance %v, want %v", square, c.variance)
			}
			if largest > float64(float32(c.bound)) || c.kurtosis < 2 && largest < 0.97*c.bound {
				t.Errorf("largest value %v, bound %v", largest, c.bound)
			}
		})
	}
}

func TestBiasesStartAtZeroExceptByDefault(t *testing.T) {
	for _, init := range []relu.Init{relu.KaimingNormal, relu.Xavier} {
		for _, v := range initialised(t, init, "0.bias", 1) {
			if v != 0 {
				t.Fatalf("%v starts a bias at %v", init, v)
			}
		}
	}
}

// Golden bits of the start parameters: whoever changes them has to raise the numerics version.
func TestInitialisationsAreGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		init relu.Init
		want string
	}{
		{"kaiming_uniform", relu.KaimingUniform, "c2551ded382034db"},
		{"kaiming_normal", relu.KaimingNormal, "4150590be7a30e07"},
		{"xavier", relu.Xavier, "04864a4a260504d7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tensor.HashBlock(initialised(t, c.init, "2.weight", 7)).String()[:16]; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if c.init.String() != c.name {
				t.Errorf("is called %v", c.init)
			}
		})
	}
}

func TestSeedsAndTensorsDiffer(t *testing.T) {
	a := initialised(t, relu.KaimingUniform, "0.weight", 1)
	if !slices.Equal(a, initialised(t, relu.KaimingUniform, "0.weight", 1)) {
		t.Error("the same seed gave other values")
	}
	if slices.Equal(a[:100], initialised(t, relu.KaimingUniform, "0.weight", 2)[:100]) {
		t.Error("another seed gave the same values")
	}
	if slices.Equal(a[:100], initialised(t, relu.KaimingUniform, "2.weight", 1)[:100]) {
		t.Error("another tensor got the same values")
	}
}

// The gain is that of the next activation; of the last one for the output layer; of ReLU where there is none.
func TestKaimingNormalTakesTheSlopeOfItsActivation(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers []relu.Layer
		slopes map[string]float64
	}{
		{"two slopes", []relu.Layer{
			relu.Linear{In: 500, Out: 400}, relu.ReLU{Slope: 0.9}, relu.Linear{In: 400, Out: 300}, relu.ReLU{}, relu.Linear{In: 300, Out: 200}, relu.ReLU{Slope: 0.5}, relu.Linear{In: 200, Out: 100},
		}, map[string]float64{"0.weight": 0.9, "2.weight": 0, "4.weight": 0.5, "6.weight": 0.5}},
		{"linear model", []relu.Layer{relu.Linear{In: 500, Out: 300}}, map[string]float64{"0.weight": 0}},
	} {
		net, err := relu.New(c.layers, []int{500}, relu.MSE)
		if err != nil {
			t.Fatal(err)
		}
		block := make([]float32, net.Parameters())
		net.Initialize(block, relu.KaimingNormal, 1)
		for name, slope := range c.slopes {
			v, _ := net.Layout().Lookup(name)
			square := 0.0
			for _, x := range tensor.Of(block, v) {
				square += float64(x) * float64(x) / float64(v.Size)
			}
			want := 2 / (1 + slope*slope) / float64(v.Shape[1])
			if !(math.Abs(square/want-1) < 0.06) { // 5 standard errors of 20,000 draws are 0.05
				t.Errorf("%s: %s has variance %v, want %v", c.name, name, square, want)
			}
		}
	}
}

// Names and order are those of torch.nn.Sequential.state_dict() of the same layers.
func TestNestedLayersAreNamedAsPyTorch(t *testing.T) {
	norm := relu.BatchNorm{Features: 2, Dims: 2, Eps: 1e-5, Momentum: 0.1}
	conv := relu.Conv2D{In: 2, Out: 2, Kernel: 3, Stride: 1, Padding: 1}
	net, err := relu.New([]relu.Layer{
		conv,
		relu.Residual{
			Body:     []relu.Layer{norm, relu.Residual{Body: []relu.Layer{conv}}},
			Shortcut: []relu.Layer{conv},
		},
		relu.Flatten{}, relu.Linear{In: 32, Out: 3, Bias: true},
	}, []int{2, 4, 4}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range net.Layout().Descs() {
		if names = append(names, d.Name); d.Buffer != strings.Contains(d.Name, "running_") {
			t.Errorf("%s: buffer %t", d.Name, d.Buffer)
		}
	}
	want := []string{
		"0.weight", "1.body.0.weight", "1.body.0.bias", "1.body.0.running_mean", "1.body.0.running_var", "1.body.1.body.0.weight",
		"1.shortcut.0.weight", "3.weight", "3.bias",
	}
	if !slices.Equal(names, want) {
		t.Errorf("tensors %v, want %v", names, want)
	}
	if v, _ := net.Layout().Lookup("1.shortcut.0.weight"); !slices.Equal(v.Shape, []int{2, 2, 3, 3}) {
		t.Errorf("a convolution's weight has shape %v", v.Shape)
	}
	block := make([]float32, net.Parameters())
	net.Initialize(block, relu.Xavier, 1)
	for name, want := range map[string][]float32{"weight": {1, 1}, "bias": {0, 0}, "running_mean": {0, 0}, "running_var": {1, 1}} {
		v, _ := net.Layout().Lookup("1.body.0." + name)
		if got := tensor.Of(block, v); !slices.Equal(got, want) {
			t.Errorf("a norm's %s starts at %v, want %v", name, got, want)
		}
	}
}

func TestUnfittingLayersAreRefused(t *testing.T) {
	image := []int{2, 6, 5}
	norm := relu.BatchNorm{Features: 2, Dims: 2, Eps: 1e-5, Momentum: 0.1}
	with := func(change func(*relu.BatchNorm)) relu.Layer {
		n := norm
		change(&n)
		return n
	}
	for _, c := range []struct {
		name  string
		layer relu.Layer
		want  string
	}{
		{"channels", relu.Conv2D{In: 3, Out: 1, Kernel: 1, Stride: 1}, "layer 0: conv2d takes 3 channels, but gets 2 (shape [2 6 5])"},
		{"no stride", relu.Conv2D{In: 2, Out: 1, Kernel: 1}, "kernel 1, stride 0, padding 0"},
		{"no outputs", relu.Conv2D{In: 2, Kernel: 1, Stride: 1}, "conv2d from 2 to 0 channels"},
		{"large kernel", relu.Conv2D{In: 2, Out: 1, Kernel: 8, Stride: 1, Padding: 1}, "a kernel of 8 is larger than the image of shape [2 6 5] with padding 1"},
		{"large pool", relu.MaxPool2D{Kernel: 6, Stride: 6}, "max_pool2d: a kernel of 6"},
		{"no kernel", relu.AvgPool2D{Stride: 1}, "avg_pool2d: kernel 0"},
		{"features", with(func(n *relu.BatchNorm) { n.Features = 6 }), "batch_norm of 6 features (dims 2) gets shape [2 6 5]"},
		{"dims", with(func(n *relu.BatchNorm) { n.Dims = 1 }), "batch_norm of 2 features (dims 1) gets shape [2 6 5]"},
		{"no dims", with(func(n *relu.BatchNorm) { n.Dims = 0 }), "batch_norm of 0 dims"},
		{"eps", with(func(n *relu.BatchNorm) { n.Eps = 0 }), "eps 0"},
		{"momentum", with(func(n *relu.BatchNorm) { n.Momentum = math.NaN() }), "momentum NaN"},
		{"layer norm", relu.LayerNorm{Features: 6, Eps: 1}, "layer_norm of 6 features gets 5 (shape [2 6 5])"},
		{"group norm", relu.GroupNorm{Groups: 1, Features: 6, Eps: 1}, "group_norm of 6 features gets 2"},
		{"groups", relu.GroupNorm{Groups: 3, Features: 2, Eps: 1}, "2 features in 3 groups"},
		{"scale", relu.Scale{Factor: math.Inf(1)}, "scale by +Inf"},
		{"residual", relu.Residual{Body: []relu.Layer{relu.Flatten{}}}, "layer 0: residual adds a body of shape [60] to a shortcut of shape [2 6 5]"},
		{"inside", relu.Residual{Body: []relu.Layer{relu.Flatten{}, relu.GlobalAvgPool2D{}}}, "layer 0.body.1: global_avg_pool2d takes images"},
		{"nil inside", relu.Residual{Shortcut: []relu.Layer{nil}}, "layer 0.shortcut.0 is nil"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := relu.New([]relu.Layer{c.layer}, image, relu.MSE)
			if !errors.Is(err, relu.ErrNetwork) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want ErrNetwork with %q", err, c.want)
			}
		})
	}
	for _, smoothing := range []float64{-0.1, 1, math.NaN()} {
		_, err := relu.New([]relu.Layer{relu.Linear{In: 2, Out: 2}}, []int{2}, relu.CrossEntropy, relu.Smoothing(smoothing))
		if !errors.Is(err, relu.ErrNetwork) {
			t.Errorf("label smoothing %v: %v", smoothing, err)
		}
	}
}
