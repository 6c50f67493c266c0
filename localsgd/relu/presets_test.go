package relu_test

import (
	"errors"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// trained counts parameters without buffers, as PyTorch's m.parameters() does.
func trained(net *relu.Network) int {
	n := 0
	for i := range net.Layout().Len() {
		if v := net.Layout().At(i); !v.Buffer {
			n += v.Size
		}
	}
	return n
}

func TestPresets(t *testing.T) {
	mnist, cifar := []int{1, 28, 28}, []int{3, 32, 32}
	widths := []int{16, 32, 64}
	for _, c := range []struct {
		name       string
		layers     []relu.Layer
		input      []int
		parameters int
		tensor     string // must be there
	}{
		{"cnn", relu.CNN{Input: mnist, Output: 10}.Layers(), mnist, 832 + 51264 + 1606144 + 5130, "9.bias"},
		{"resnet 20", relu.ResNet{Input: cifar, Output: 10, Blocks: 3, Widths: widths}.Layers(), cifar, 272474, "9.shortcut.1.running_var"},
		{"resnet 8", relu.ResNet{Input: cifar, Output: 10, Blocks: 1, Widths: widths}.Layers(), cifar, 464 + 4672 + (13952 + 576) + (55552 + 2176) + 650, "5.body.3.weight"},
		{"shallow", relu.Shallow{Input: 2, Width: 5, Output: 3}.Layers(), []int{2}, 3*5 + 6*3, "2.bias"},
		{"shallow with skip", relu.Shallow{Input: 2, Width: 5, Output: 3, Skip: true}.Layers(), []int{2}, 3*5 + 6*3 + 2*3, "0.shortcut.0.weight"},
		{"mlp with norms", relu.MLP{Input: 4, Hidden: []int{5, 6}, Output: 3, Norm: relu.BatchNorms}.Layers(), []int{4}, 5*5 + 10 + 6*6 + 12 + 7*3, "4.running_mean"},
		{"residual mlp", relu.MLP{Input: 4, Hidden: []int{5, 5, 6}, Output: 3, Residual: true, Norm: relu.LayerNorms}.Layers(), []int{4}, 5*5 + 10 + 6*5 + 10 + 6*6 + 12 + 5*6 + 7*3, "4.shortcut.0.weight"},
	} {
		net, err := relu.New(c.layers, c.input, relu.CrossEntropy)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := trained(net); got != c.parameters {
			t.Errorf("%s has %d parameters, want %d", c.name, got, c.parameters)
		}
		if _, ok := net.Layout().Lookup(c.tensor); !ok {
			t.Errorf("%s has no %s", c.name, c.tensor)
		}
	}
}

func TestPresetsRefuseWhatIsNoImage(t *testing.T) {
	for name, layers := range map[string][]relu.Layer{
		"cnn":             relu.CNN{Input: []int{784}, Output: 10}.Layers(),
		"small cnn":       relu.CNN{Input: []int{1, 2, 2}, Output: 10}.Layers(),
		"resnet":          relu.ResNet{Input: []int{784}, Output: 10, Blocks: 1, Widths: []int{4}}.Layers(),
		"resnet of none":  relu.ResNet{Input: []int{784}, Output: 10, Blocks: 1}.Layers(),
		"resnet no input": relu.ResNet{Output: 10, Blocks: 1, Widths: []int{4}}.Layers(),
	} {
		input := []int{784}
		if name == "small cnn" {
			input = []int{1, 2, 2}
		}
		if _, err := relu.New(layers, input, relu.CrossEntropy); !errors.Is(err, relu.ErrNetwork) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Near the identity, the states of a deep network converge with depth, and it has a gradient; from He's start its states
// do not (PAPERS.md P2.3, P2.4).
func TestIdentityStartConvergesWithDepth(t *testing.T) {
	const width, depth = 32, 400
	hidden := make([]int, depth)
	for i := range hidden {
		hidden[i] = width
	}
	net, params := mlp(t, relu.MLP{Input: 8, Hidden: hidden, Output: 2}, relu.CrossEntropy)
	net.Initialize(params, relu.Identity{C: 0.5, P: 2}, 1)
	x := make([]float64, width)
	s := keyed.New(1, "state")
	for i := range x {
		x[i] = s.Float64()
	}
	moved := 0.0
	for n := 2; n <= depth; n++ {
		// Hidden weight n is tensor 2n-2: each layer has a weight and a bias.
		w := tensor.Of(params, net.Layout().At(2*n-2))
		next, step := make([]float64, width), 0.0
		for i := range next {
			for j, v := range x {
				next[i] += float64(w[i*width+j]) * v
			}
			next[i] = max(0, next[i])
			step += (next[i] - x[i]) * (next[i] - x[i])
		}
		// ||G/sqrt(m)|| is about 2 and rarely above 3; ||x|| stays of order sqrt(m/3).
		if bound := 0.5 / float64(n*n) * 3 * 3 * math.Sqrt(width/3); math.Sqrt(step) > bound {
			t.Errorf("layer %d moves the state by %v, more than %v", n, math.Sqrt(step), bound)
		}
		moved += math.Sqrt(step)
		x = next
	}
	if moved == 0 {
		t.Error("the state never moves: these are exact identities")
	}
	m := relu.NewMachine[float32](net, 4)
	b := m.Batch(4)
	fillImages(b.X, nil, 0.7, 3)
	g := make(collected, len(params))
	m.Backward(params, b, g)
	if largest := largestOf(tensor.Of(g, net.Layout().At(0))); !(largest > 1e-4) {
		t.Errorf("the first layer's gradient is at most %v", largest)
	}
}

func largestOf(x []float32) (largest float64) {
	for _, v := range x {
		largest = max(largest, math.Abs(float64(v)))
	}
	return largest
}

func TestOtherStarts(t *testing.T) {
	for _, v := range initialised(t, relu.Zero, "0.weight", 1) {
		if v != 0 {
			t.Fatalf("zero starts at %v", v)
		}
	}
	if v := initialised(t, relu.Gaussian{Std: 0.25}, "0.bias", 1); largestOf(v) != 0 {
		t.Error("a gaussian start has biases")
	}
	// 120,000 draws: the variance is off by 5 sqrt(2/n) = 2% once in a million.
	square := 0.0
	weights := initialised(t, relu.Gaussian{Std: 0.25}, "0.weight", 1)
	for _, v := range weights {
		square += float64(v) * float64(v) / float64(len(weights))
	}
	if math.Abs(square-0.0625) > 0.02*0.0625 {
		t.Errorf("a gaussian start has variance %v, want 0.0625", square)
	}
	a, b := initialised(t, relu.Identity{C: 1, P: 1}, "2.weight", 1), initialised(t, relu.KaimingNormal, "2.weight", 1)
	for i := range a {
		if a[i] != b[i] {
			t.Fatal("a matrix that is not square does not start as in kaiming_normal")
		}
	}
}
