package relu_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// mlp returns a network with its start parameters.
func mlp(tb testing.TB, m relu.MLP, loss relu.Loss) (*relu.Network, []float32) {
	tb.Helper()
	net, err := relu.New(m.Layers(), []int{m.Input}, loss)
	if err != nil {
		tb.Fatal(err)
	}
	params := make([]float32, net.Parameters())
	net.Initialize(params, relu.KaimingUniform, 1)
	return net, params
}

// A sink that updates the parameters as gradients arrive gives the bits of one that waits for the whole gradient.
func TestSinkMayUpdateInPlace(t *testing.T) {
	net, params := mlp(t, relu.MLP{Input: 30, Hidden: []int{17, 11}, Output: 5}, relu.CrossEntropy)
	m := relu.NewMachine[float32](net, 6)
	b := m.Batch(6)
	fillImages(b.X, b.Labels, 0.4, 1)
	for i := range b.Labels {
		b.Labels[i] %= 5
	}
	g := make(collected, len(params))
	want := slices.Clone(params)
	loss := m.Backward(want, b, g)
	(&plainSGD{params: want, lr: 0.5}).Gradient(0, g)
	if got := m.Backward(params, b, &plainSGD{params: params, lr: 0.5}); got != loss {
		t.Errorf("loss %v, want %v", got, loss)
	}
	if !slices.Equal(params, want) {
		t.Error("updating in place gave other parameters")
	}
}

// pieces records where the pieces of a gradient begin.
type pieces struct{ offsets, lengths []int }

func (p *pieces) Gradient(offset int, g []float32) {
	p.offsets = append(p.offsets, offset)
	p.lengths = append(p.lengths, len(g))
}

func TestGradientLeavesLayerByLayerFromTheLast(t *testing.T) {
	net, params := mlp(t, relu.MLP{Input: 4, Hidden: []int{3}, Output: 2}, relu.CrossEntropy)
	m := relu.NewMachine[float32](net, 1)
	var p pieces
	m.Backward(params, m.Batch(1), &p)
	// 0.weight [3, 4] is at 0, 0.bias at 12, 2.weight [2, 3] at 15, 2.bias at 21.
	if want := []int{15, 21, 0, 12}; !slices.Equal(p.offsets, want) {
		t.Errorf("pieces at %v, want %v", p.offsets, want)
	}
	if want := []int{6, 2, 12, 3}; !slices.Equal(p.lengths, want) {
		t.Errorf("pieces of %v, want %v", p.lengths, want)
	}
}

// The gradient of a batch is the mean over its examples, so what a machine did before must not show.
func TestMachineKeepsNothingBetweenCalls(t *testing.T) {
	net, params := mlp(t, relu.MLP{Input: 12, Hidden: []int{9}, Output: 4, Slope: 0.1}, relu.MSE)
	used := relu.NewMachine[float32](net, 8)
	b := used.Batch(8)
	fillImages(b.X, nil, 0.5, 1)
	used.Backward(params, b, make(collected, len(params)))

	fresh := relu.NewMachine[float32](net, 3)
	small := fresh.Batch(3)
	fillImages(small.X, nil, 0.5, 2)
	fillImages(small.Targets, nil, 1, 3)
	want, got := make(collected, len(params)), make(collected, len(params))
	wantLoss := fresh.Backward(params, small, want)
	if gotLoss := used.Backward(params, small, got); gotLoss != wantLoss || !slices.Equal(got, want) {
		t.Error("a used machine gives other results than a fresh one")
	}
}

// The caller's inputs stay as they are, also where the first layer is an activation.
func TestInputsAreNotChanged(t *testing.T) {
	net, err := relu.New([]relu.Layer{relu.ReLU{}, relu.Linear{In: 4, Out: 2}}, []int{4}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	m := relu.NewMachine[float32](net, 1)
	b := m.Batch(1)
	copy(b.X, []float32{-1, 2, -3, 4})
	m.Backward(make([]float32, 8), b, make(collected, 8))
	if want := []float32{-1, 2, -3, 4}; !slices.Equal(b.X, want) {
		t.Errorf("inputs became %v", b.X)
	}
}

// float32 against float64: the sums here have at most 100 terms, so 1e-5 of the largest value is some hundred roundings.
func TestFloat32FollowsFloat64(t *testing.T) {
	net, params := mlp(t, relu.MLP{Input: 100, Hidden: []int{50, 50, 50}, Output: 10}, relu.CrossEntropy)
	m32, m64 := relu.NewMachine[float32](net, 20), relu.NewMachine[float64](net, 20)
	b32, b64 := m32.Batch(20), m64.Batch(20)
	fillImages(b32.X, b32.Labels, 0.5, 1)
	for i, v := range b32.X {
		b64.X[i] = float64(v)
	}
	copy(b64.Labels, b32.Labels)
	wide := make([]float64, len(params))
	for i, v := range params {
		wide[i] = float64(v)
	}
	y32, y64 := m32.Forward(params, b32), m64.Forward(wide, b64)
	largest := 0.0
	for _, v := range y64 {
		largest = max(largest, math.Abs(v))
	}
	for i, v := range y64 {
		if d := math.Abs(float64(y32[i]) - v); !(d <= 1e-5*largest) {
			t.Fatalf("output %d: %v in float32, %v in float64", i, y32[i], v)
		}
	}
}

func TestEvaluateCountsByArgmax(t *testing.T) {
	net, err := relu.New([]relu.Layer{relu.Linear{In: 2, Out: 2}}, []int{2}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	identity := []float32{1, 0, 0, 1}
	m := relu.NewMachine[float32](net, 4)
	b := m.Batch(4)
	copy(b.X, []float32{2, 1, 1, 2, 3, 3, 3, 3})
	copy(b.Labels, []int32{0, 0, 0, 1})
	loss, correct := m.Evaluate(identity, b)
	if correct != 2 {
		t.Errorf("%d correct, want 2: the first example, and of the ties the one labelled 0", correct)
	}
	want := math.Log1p(math.Exp(-1)) + math.Log1p(math.Exp(1)) + 2*math.Ln2
	if math.Abs(loss-want) > 1e-14 {
		t.Errorf("losses sum to %v, want %v", loss, want)
	}
}

func TestEvaluateCountsNothingForTargets(t *testing.T) {
	net, params := mlp(t, relu.MLP{Input: 2, Output: 3}, relu.MSE)
	m := relu.NewMachine[float32](net, 1)
	if _, correct := m.Evaluate(params, m.Batch(1)); correct != 0 {
		t.Errorf("%d correct of regression targets", correct)
	}
}

func TestNothingIsAllocatedInAStep(t *testing.T) {
	for _, loss := range []relu.Loss{relu.CrossEntropy, relu.MSE} {
		net, params := mlp(t, relu.MLP{Input: 40, Hidden: []int{30, 20}, Output: 10}, loss)
		m := relu.NewMachine[float32](net, 10)
		sink := &plainSGD{params: params, lr: 0.01}
		b := m.Batch(10)
		fillImages(b.X, b.Labels, 0.5, 1)
		for name, call := range map[string]func(){
			"batch":    func() { m.Batch(7) },
			"forward":  func() { m.Forward(params, b) },
			"backward": func() { m.Backward(params, b, sink) },
			"evaluate": func() { m.Evaluate(params, b) },
		} {
			if n := testing.AllocsPerRun(20, call); n != 0 {
				t.Errorf("%s with %v allocates %v times", name, loss, n)
			}
		}
	}
}

// Golden bits of training: 50 steps of a leaky network with both losses. Whoever changes them changes every run, and has
// to raise the numerics version.
func TestTrainingIsGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		loss relu.Loss
		want string
	}{
		{"cross entropy", relu.CrossEntropy, "a0a35fa8dc6961d2"},
		{"mse", relu.MSE, "ec6c088d542b9c17"},
	} {
		eachKernel(t, c.name, func(t *testing.T) {
			net, params := mlp(t, relu.MLP{Input: 33, Hidden: []int{21, 14}, Output: 10, Slope: 0.01}, c.loss)
			m := relu.NewMachine[float32](net, 9)
			sink := &plainSGD{params: params, lr: 0.1}
			for step := range 50 {
				b := m.Batch(9)
				b.Targets = nil
				fillImages(b.X, b.Labels, []float64{0.2, 0.6, 1}[step%3], uint64(step))
				m.Backward(params, b, sink)
			}
			if got := tensor.HashBlock(params).String()[:16]; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// eachKernel runs a test with every kernel of this machine.
func eachKernel(t *testing.T, name string, test func(t *testing.T)) {
	before := kernel.InUse()
	defer func() { _ = kernel.Use(before) }()
	for _, k := range kernel.Available() {
		if err := kernel.Use(k); err != nil {
			t.Fatal(err)
		}
		t.Run(name+" on "+k, test)
	}
}

func TestDeepNarrowNetworks(t *testing.T) {
	deep := relu.MLP{Input: 8, Output: 2}
	for range 400 {
		deep.Hidden = append(deep.Hidden, 32)
	}
	net, params := mlp(t, deep, relu.CrossEntropy)
	net.Initialize(params, relu.KaimingNormal, 1)
	m := relu.NewMachine[float32](net, 4)
	b := m.Batch(4)
	s := keyed.New(1, "deep")
	for i := range b.X {
		b.X[i] = float32(s.Normal())
	}
	g := make(collected, len(params))
	if loss := m.Backward(params, b, g); math.IsNaN(loss) || loss > 100 {
		t.Errorf("loss %v", loss)
	}
	first, _ := net.Layout().Lookup("0.weight")
	if slices.Max(tensor.Of(g, first)) == 0 {
		t.Error("no gradient reached the first of 401 layers")
	}
}

func TestProgrammerMistakesPanic(t *testing.T) {
	net, params := mlp(t, relu.MLP{Input: 3, Output: 2}, relu.CrossEntropy)
	reg, _ := mlp(t, relu.MLP{Input: 3, Output: 2}, relu.MSE)
	m, r := relu.NewMachine[float32](net, 2), relu.NewMachine[float32](reg, 2)
	x, sink := make([]float32, 3), make(collected, len(params))
	for name, call := range map[string]func(){
		"batch of none":      func() { m.Batch(0) },
		"batch too large":    func() { m.Batch(3) },
		"machine for none":   func() { relu.NewMachine[float32](net, 0) },
		"parameters":         func() { m.Forward(params[1:], m.Batch(1)) },
		"inputs":             func() { m.Forward(params, &relu.Batch[float32]{N: 1, X: x[1:]}) },
		"no labels":          func() { m.Backward(params, &relu.Batch[float32]{N: 1, X: x}, sink) },
		"label too large":    func() { m.Backward(params, &relu.Batch[float32]{N: 1, X: x, Labels: []int32{2}}, sink) },
		"negative label":     func() { m.Evaluate(params, &relu.Batch[float32]{N: 1, X: x, Labels: []int32{-1}}) },
		"targets":            func() { r.Backward(params, &relu.Batch[float32]{N: 1, X: x, Targets: x}, sink) },
		"no targets, labels": func() { r.Backward(params, &relu.Batch[float32]{N: 1, X: x}, sink) },
		"initialising":       func() { net.Initialize(params[1:], relu.Xavier, 1) },
		"unknown init":       func() { net.Initialize(params, relu.Init(9), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := recover(); got == nil {
					t.Error("no panic")
				} else if _, ok := got.(error); ok {
					t.Errorf("the runtime had to catch it: %v", fmt.Sprint(got))
				}
			}()
			call()
		})
	}
}
