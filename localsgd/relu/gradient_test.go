package relu

import (
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// gradientSink gathers a gradient and counts how often each element came.
type gradientSink struct {
	g     []float64
	times []int
}

func (s *gradientSink) Gradient(offset int, g []float64) {
	copy(s.g[offset:], g)
	for i := range g {
		s.times[offset+i]++
	}
}

// activity returns which units are active, and which inputs are the largest of their windows. Between two points of equal
// activity the outputs have no kink.
func activity(m *Machine[float64]) []int32 { return sequenceActivity(nil, m.stages) }

func sequenceActivity(on []int32, s *sequence[float64]) []int32 {
	for _, s := range s.stages {
		if w, ok := s.(*watchedStage[float64]); ok {
			s = w.stage
		}
		switch s := s.(type) {
		case *reluStage[float64]:
			for _, v := range s.y {
				if v > 0 {
					on = append(on, 1)
				} else {
					on = append(on, 0)
				}
			}
		case *maxPoolStage[float64]:
			on = append(on, s.places...)
		case *residualStage[float64]:
			on = sequenceActivity(sequenceActivity(on, s.body), s.shortcut)
		}
	}
	return on
}

// problem is a random network with random parameters and a random batch, everything of order 1.
func problem(t *testing.T, layers []Layer, inputs int, loss Loss, oneHot bool) (*Machine[float64], []float64, *Batch[float64]) {
	t.Helper()
	return shapedProblem(t, layers, []int{inputs}, loss, oneHot)
}

func shapedProblem(t *testing.T, layers []Layer, input []int, loss Loss, oneHot bool) (*Machine[float64], []float64, *Batch[float64]) {
	t.Helper()
	net, err := New(layers, input, loss)
	if err != nil {
		t.Fatal(err)
	}
	s := keyed.New(1, "problem")
	params := make([]float64, net.Parameters())
	for i := range params {
		params[i] = 0.6 * s.Normal()
	}
	for i := range net.params {
		if v := net.layout.At(i); v.Buffer { // a variance must be positive
			for j := range v.Size {
				params[v.Offset+j] = 0.5 + s.Float64()
			}
		}
	}
	m := NewMachine[float64](net, 7)
	b := m.Batch(5)
	for i := range b.X {
		b.X[i] = s.Normal()
		if s.Below(3) == 0 {
			b.X[i] = 0
		}
	}
	for i := range b.Labels {
		b.Labels[i] = int32(s.Below(net.Outputs()))
	}
	for i := range b.Targets {
		b.Targets[i] = s.Normal()
	}
	if oneHot {
		b.Targets = nil
	}
	return m, params, b
}

func TestGradientsEqualFiniteDifferences(t *testing.T) {
	deep := MLP{Input: 4, Output: 3, Slope: 0.3}
	for range 12 {
		deep.Hidden = append(deep.Hidden, 5)
	}
	for _, c := range []struct {
		name   string
		layers []Layer
		inputs int
		loss   Loss
		oneHot bool
	}{
		{"two hidden layers", MLP{Input: 9, Hidden: []int{8, 7}, Output: 4}.Layers(), 9, CrossEntropy, false},
		{"leaky without bias", MLP{Input: 6, Hidden: []int{13, 6}, Output: 3, NoBias: true, Slope: 0.2}.Layers(), 6, MSE, false},
		{"one-hot targets", MLP{Input: 6, Hidden: []int{7}, Output: 4}.Layers(), 6, MSE, true},
		{"linear model", MLP{Input: 20, Output: 7}.Layers(), 20, CrossEntropy, false},
		{"one output", MLP{Input: 5, Hidden: []int{6}, Output: 1}.Layers(), 5, MSE, false},
		{"deep", deep.Layers(), 4, CrossEntropy, false},
		{"activation first", []Layer{ReLU{Slope: 0.5}, Linear{In: 6, Out: 3, Bias: true}}, 6, CrossEntropy, false},
		{"activation last", []Layer{Linear{In: 6, Out: 9, Bias: true}, ReLU{}}, 6, MSE, false},
		{"two activations", []Layer{Linear{In: 6, Out: 9, Bias: true}, ReLU{Slope: 0.5}, ReLU{}, Linear{In: 9, Out: 2}}, 6, CrossEntropy, false},
		{"two linear layers", []Layer{Linear{In: 6, Out: 9}, Linear{In: 9, Out: 2, Bias: true}}, 6, CrossEntropy, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, params, b := problem(t, c.layers, c.inputs, c.loss, c.oneHot)
			checkGradient(t, m, params, b)
		})
	}
}

// checkGradient compares the gradient in evaluation mode, where Evaluate gives the loss, with central differences.
func checkGradient(t *testing.T, m *Machine[float64], params []float64, b *Batch[float64]) {
	t.Helper()
	s := newGradientSink(params)
	loss := m.Probe(params, b, s)
	evaluate := func() float64 {
		sum, _ := m.Evaluate(params, b)
		return sum / float64(b.N)
	}
	if mean := evaluate(); math.Abs(mean-loss) > 1e-14*math.Abs(loss) {
		t.Errorf("Evaluate gives a mean of %v, Probe's loss is %v", mean, loss)
	}
	s.check(t, m, params, evaluate)
}

// checkTraining does the same in training mode.
func checkTraining(t *testing.T, m *Machine[float64], params []float64, b *Batch[float64]) {
	t.Helper()
	s := newGradientSink(params)
	m.Backward(params, b, s)
	unseen := newGradientSink(params)
	s.check(t, m, params, func() float64 { return m.Backward(params, b, unseen) })
}

func newGradientSink(params []float64) *gradientSink {
	return &gradientSink{g: make([]float64, len(params)), times: make([]int, len(params))}
}

// check compares with central differences of loss wherever no unit changes its activity. With a step of 1e-5 the truncation
// error is about 1e-10 of the loss's third derivative, and rounding adds 1e-16 / 1e-5, for numbers of order 1.
func (s *gradientSink) check(t *testing.T, m *Machine[float64], params []float64, loss func() float64) {
	t.Helper()
	const step, tolerance = 1e-5, 2e-9
	loss()
	here := activity(m)
	largest, kinks, checked := 0.0, 0, 0
	for _, g := range s.g {
		largest = max(largest, math.Abs(g))
	}
	for i := range m.net.params {
		v := m.net.layout.At(i)
		for j := v.Offset; j < v.Offset+v.Size; j++ {
			if want := map[bool]int{false: 1}[v.Buffer]; s.times[j] != want {
				t.Fatalf("gradient of %s[%d] came %d times, want %d", v.Name, j-v.Offset, s.times[j], want)
			}
			if v.Buffer {
				continue
			}
			p := params[j]
			params[j] = p + step
			up := loss()
			kink := !slices.Equal(here, activity(m))
			params[j] = p - step
			down := loss()
			kink = kink || !slices.Equal(here, activity(m))
			params[j] = p
			checked++
			if kink {
				kinks++
				continue
			}
			if want := (up - down) / (2 * step); !(math.Abs(s.g[j]-want) <= tolerance*max(1, largest)) {
				t.Errorf("gradient of %s[%d] is %v, finite differences give %v", v.Name, j-v.Offset, s.g[j], want)
			}
		}
	}
	if kinks*10 > checked || largest == 0 {
		t.Errorf("checked too little: %d kinks at %d parameters, largest gradient %v", kinks, checked, largest)
	}
}

// With one example the softmax's gradient has a closed form, also where naive exponentials would overflow.
func TestCrossEntropyIsStable(t *testing.T) {
	for _, c := range []struct {
		name  string
		y     []float64
		label int
		loss  float64
		grad  []float64
	}{
		{"equal", []float64{3, 3}, 0, math.Ln2, []float64{-0.5, 0.5}},
		{"right and sure", []float64{1000, -1000}, 0, 0, []float64{0, 0}},
		{"wrong and sure", []float64{1000, -1000}, 1, 2000, []float64{1, -1}},
		{"all very negative", []float64{-1e300, -1e300}, 1, math.Ln2, []float64{0.5, -0.5}},
		{"one class", []float64{7}, 0, 0, []float64{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			grad := make([]float64, len(c.y))
			if loss := crossEntropy(grad, c.y, c.label); loss != c.loss {
				t.Errorf("loss %v, want %v", loss, c.loss)
			}
			if !slices.Equal(grad, c.grad) {
				t.Errorf("gradient %v, want %v", grad, c.grad)
			}
		})
	}
}

func TestDivergedOutputsShowInTheLoss(t *testing.T) {
	for name, y := range map[string][]float64{
		"not a number":       {1, math.NaN()},
		"infinite":           {math.Inf(1), 0},
		"not a number first": {math.NaN(), 1},
	} {
		if loss := crossEntropy(make([]float64, 2), y, 0); !math.IsNaN(loss) {
			t.Errorf("%s: loss %v, want NaN", name, loss)
		}
	}
}

func TestWins(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name  string
		y     []float64
		label int
		want  bool
	}{
		{"largest", []float64{1, 3, 2}, 1, true},
		{"not largest", []float64{1, 3, 2}, 2, false},
		{"tie, lowest index", []float64{1, 3, 3}, 1, true},
		{"tie, higher index", []float64{1, 3, 3}, 2, false},
		{"all equal, first", []float64{0, 0, 0}, 0, true},
		{"not a number at the label", []float64{nan, 0}, 0, false},
		{"not a number elsewhere", []float64{5, nan}, 0, false},
		{"only not a number", []float64{nan}, 0, false},
		{"one output", []float64{-1}, 0, true},
	} {
		if got := wins(c.y, c.label); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
