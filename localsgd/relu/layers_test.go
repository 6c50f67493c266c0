package relu

import (
	"math"
	"slices"
	"testing"
)

// layerCase is a network that has a kind of layer in a telling place.
type layerCase struct {
	name   string
	input  []int
	layers []Layer
}

func head(in int) Layer { return Linear{In: in, Out: 3, Bias: true} }

func batchNorm(features, dims int) Layer {
	return BatchNorm{Features: features, Dims: dims, Eps: 1e-3, Momentum: 0.3}
}

// layerCases has every layer first, where no gradient with respect to inputs is needed, and later, where one is.
func layerCases() []layerCase {
	body := []Layer{ReLU{}, Linear{In: 5, Out: 5, Bias: true}, ReLU{}, Linear{In: 5, Out: 5}}
	norm := LayerNorm{Features: 5, Eps: 1e-3}
	deep := []Layer{Linear{In: 4, Out: 5}}
	for range 8 {
		deep = append(deep, Residual{Body: []Layer{norm, Linear{In: 5, Out: 5, Bias: true}, ReLU{}}})
	}
	image := []int{2, 6, 5}
	return []layerCase{
		{"conv first", image, []Layer{Conv2D{2, 3, 3, 1, 1, true}, ReLU{}, head(90)}},
		{"conv with stride", image, []Layer{Conv2D{2, 3, 3, 2, 1, false}, ReLU{}, Conv2D{3, 2, 2, 2, 0, true}, head(2)}},
		{"conv of large stride and padding", image, []Layer{Conv2D{2, 3, 2, 3, 2, true}, Conv2D{3, 2, 3, 2, 3, true}, head(32)}},
		{"conv of many inputs", []int{16, 4, 5}, []Layer{Conv2D{16, 2, 4, 1, 0, true}, Conv2D{2, 3, 1, 1, 0, true}, head(6)}},
		{"conv 1x1", image, []Layer{Conv2D{2, 5, 1, 1, 0, true}, Conv2D{5, 1, 1, 2, 0, false}, head(9)}},
		{"conv beside the edge", []int{1, 2, 2}, []Layer{Conv2D{1, 2, 5, 1, 2, true}, Conv2D{2, 2, 2, 1, 3, false}, head(98)}},
		{"max pool", image, []Layer{Conv2D{2, 3, 2, 1, 0, true}, ReLU{}, MaxPool2D{2, 2}, head(12)}},
		{"overlapping pools", image, []Layer{Conv2D{2, 2, 1, 1, 0, true}, MaxPool2D{3, 1}, Conv2D{2, 3, 1, 1, 0, false}, AvgPool2D{2, 1}, head(18)}},
		{"avg pool that leaves a rest", image, []Layer{AvgPool2D{2, 2}, Conv2D{2, 3, 1, 1, 0, true}, AvgPool2D{2, 2}, head(3)}},
		{"global avg pool", image, []Layer{Conv2D{2, 3, 3, 1, 0, true}, ReLU{}, GlobalAvgPool2D{}, head(3)}},
		{"flatten", image, []Layer{Conv2D{2, 2, 3, 1, 0, true}, Flatten{}, ReLU{}, head(24)}},
		{"batch norm first", []int{4}, []Layer{batchNorm(4, 1), head(4)}},
		{"batch norm 1d", []int{4}, []Layer{Linear{In: 4, Out: 5}, batchNorm(5, 1), ReLU{}, head(5)}},
		{"batch norm 1d of rows", []int{4, 3}, []Layer{batchNorm(4, 1), Linear{In: 12, Out: 3}, ReLU{}, head(3)}},
		{"batch norm 2d", image, []Layer{Conv2D{2, 3, 3, 1, 0, false}, batchNorm(3, 2), ReLU{}, head(36)}},
		{"layer norm", []int{4}, []Layer{Linear{In: 4, Out: 6}, LayerNorm{6, 1e-3}, ReLU{}, head(6)}},
		{"layer norm of rows", []int{2, 4}, []Layer{LayerNorm{4, 1e-3}, head(8)}},
		{"group norm", []int{6}, []Layer{Linear{In: 6, Out: 6}, GroupNorm{2, 6, 1e-3}, ReLU{}, head(6)}},
		{"group norm of images", image, []Layer{Conv2D{2, 4, 3, 1, 0, false}, GroupNorm{2, 4, 1e-3}, ReLU{}, head(48)}},
		{"scale and softplus", []int{4}, []Layer{Linear{In: 4, Out: 6, Bias: true}, Softplus{}, Scale{-0.7}, head(6), Scale{0.3}}},
		{"scale first", []int{4}, []Layer{Scale{1.5}, head(4)}},
		{"softplus first", []int{4}, []Layer{Softplus{}, head(4)}},
		{"residual", []int{4}, []Layer{Linear{In: 4, Out: 5, Bias: true}, Residual{Body: body}, ReLU{}, head(5)}},
		{"residual first", []int{5}, []Layer{Residual{Body: body}, head(5)}},
		{"residual with shortcut", []int{4}, []Layer{
			Linear{In: 4, Out: 5}, Residual{Body: body, Shortcut: []Layer{ReLU{Slope: 0.5}, Linear{In: 5, Out: 5, Bias: true}}}, head(5),
		}},
		{"residual of nothing", []int{4}, []Layer{Linear{In: 4, Out: 3}, Residual{}, Residual{Body: []Layer{Flatten{}, ReLU{}}}}},
		{"residual in residual", []int{5}, []Layer{Residual{Body: []Layer{norm, Residual{Body: body}, ReLU{}}, Shortcut: []Layer{Residual{Body: body}}}, head(5)}},
		{"deep residual", []int{4}, append(deep, head(5))},
		{"residual images", image, []Layer{
			Conv2D{2, 3, 3, 1, 1, false}, batchNorm(3, 2), ReLU{},
			Residual{
				Body:     []Layer{Conv2D{3, 4, 3, 2, 1, false}, batchNorm(4, 2), ReLU{}, Conv2D{4, 4, 3, 1, 1, false}, batchNorm(4, 2)},
				Shortcut: []Layer{Conv2D{3, 4, 1, 2, 0, false}, batchNorm(4, 2)},
			},
			ReLU{}, GlobalAvgPool2D{}, head(4),
		}},
	}
}

func TestGradientsOfEveryLayer(t *testing.T) {
	for _, c := range layerCases() {
		t.Run(c.name, func(t *testing.T) {
			m, params, b := shapedProblem(t, c.layers, c.input, CrossEntropy, false)
			x := slices.Clone(b.X)
			checkGradient(t, m, params, b)
			checkTraining(t, m, params, b)
			if !slices.Equal(x, b.X) {
				t.Error("the inputs were changed")
			}
		})
	}
}

// discard is a sink that allocates nothing.
type discard struct{}

func (discard) Gradient(int, []float32) {}

func TestNoLayerAllocatesInAStep(t *testing.T) {
	for _, c := range layerCases() {
		net, err := New(c.layers, c.input, CrossEntropy)
		if err != nil {
			t.Fatal(err)
		}
		params := make([]float32, net.Parameters())
		net.Initialize(params, KaimingUniform, 1)
		m := NewMachine[float32](net, 4)
		b := m.Batch(4)
		for name, call := range map[string]func(){
			"backward": func() { m.Backward(params, b, discard{}) },
			"probe":    func() { m.Probe(params, b, discard{}) },
			"evaluate": func() { m.Evaluate(params, b) },
		} {
			if n := testing.AllocsPerRun(3, call); n != 0 {
				t.Errorf("%s: %s allocates %v times", c.name, name, n)
			}
		}
	}
}

// Training and evaluation mode differ in what batch norm normalises by, and in who moves the running statistics.
func TestBatchNormModes(t *testing.T) {
	net, err := New([]Layer{BatchNorm{Features: 1, Dims: 1, Eps: 1e-5, Momentum: 0.25}, Linear{In: 1, Out: 1}}, []int{1}, MSE)
	if err != nil {
		t.Fatal(err)
	}
	// weight, bias, running_mean, running_var of the norm; the linear weight.
	params := []float64{2, 1, 10, 4, 1}
	m := NewMachine[float64](net, 4)
	b := m.Batch(4)
	copy(b.X, []float64{1, 2, 3, 6}) // mean 3, variance 3.5, unbiased 14/3
	before := slices.Clone(params)
	y := m.Forward(params, b)
	if want := 2*(6-10)/math.Sqrt(4+1e-5) + 1; math.Abs(y[3]-want) > 1e-15 {
		t.Errorf("in evaluation 6 gives %v, want %v", y[3], want)
	}
	m.Probe(params, b, newGradientSink(params))
	m.Evaluate(params, b)
	if !slices.Equal(params, before) {
		t.Errorf("evaluation changed the block: %v", params)
	}
	m.Backward(params, b, newGradientSink(params))
	want := slices.Clone(before)
	want[2], want[3] = 0.75*10+0.25*3, 0.75*4+0.25*14/3
	for i := range want {
		if math.Abs(params[i]-want[i]) > 1e-15 {
			t.Errorf("after training the block is %v, want %v", params, want)
		}
	}
}

func TestBatchNormRefusesOneExample(t *testing.T) {
	net, err := New([]Layer{batchNorm(2, 1), head(2)}, []int{2}, CrossEntropy)
	if err != nil || net.LeastBatch() != 2 {
		t.Fatalf("%v, a least batch of %d, want 2", err, net.LeastBatch())
	}
	m := NewMachine[float64](net, 3)
	params := make([]float64, net.Parameters())
	m.Evaluate(params, m.Batch(1)) // has running statistics
	m.Probe(params, m.Batch(1), newGradientSink(params))
	defer func() {
		if recover() == nil {
			t.Error("trained on one example")
		}
	}()
	m.Backward(params, m.Batch(1), newGradientSink(params))
}

func TestSmoothedCrossEntropy(t *testing.T) {
	y := []float64{0.3, -1, 2, 0.1}
	const s = 0.1
	grad, plain := make([]float64, 4), make([]float64, 4)
	want := (1 - s) * crossEntropy(plain, y, 2)
	for o := range y {
		want += s / 4 * crossEntropy(plain, y, o)
	}
	if got := smoothed(grad, y, 2, s); math.Abs(got-want) > 1e-15 {
		t.Errorf("loss %v, want %v", got, want)
	}
	sum := 0.0
	for _, g := range grad {
		sum += g
	}
	if math.Abs(sum) > 1e-15 {
		t.Errorf("the gradient %v sums to %v, want 0", grad, sum)
	}
}
