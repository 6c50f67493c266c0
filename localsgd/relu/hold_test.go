package relu

import (
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// stepSink is a Stepper whose steps are those of its Gradient.
type stepSink[F kernel.Float] struct {
	step             kernel.SGD[F]
	params, velocity []F
}

func newStepSink[F kernel.Float](params []F) *stepSink[F] {
	return &stepSink[F]{kernel.NewSGD[F](0.05, 0.01, 0.9, true), params, make([]F, len(params))}
}

func (s *stepSink[F]) SGD() *kernel.SGD[F] { return &s.step }

func (s *stepSink[F]) Gradient(offset int, g []F) {
	s.step.Apply(s.params[offset:][:len(g)], s.velocity[offset:][:len(g)], g)
}

// In either precision and with every kind of layer, a machine that holds the parameters trains to the bits of one that
// does not, and evaluates and probes what it has trained so far, not what the block still has.
func TestHeldParametersAreThoseOfTheBlock(t *testing.T) {
	checkHold[float32](t, MLP{Input: 256, Hidden: []int{512, 33}, Output: 40}.Layers(), []int{256}) // several panels
	for _, c := range layerCases() {
		t.Run(c.name, func(t *testing.T) {
			checkHold[float32](t, c.layers, c.input)
			checkHold[float64](t, c.layers, c.input)
		})
	}
}

func checkHold[F kernel.Float](t *testing.T, layers []Layer, input []int) {
	t.Helper()
	net, err := New(layers, input, CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	start := make([]float32, net.Parameters())
	net.Initialize(start, KaimingUniform, 1)
	want := make([]F, len(start))
	for i, v := range start {
		want[i] = F(v)
	}
	got := slices.Clone(want)
	held, loose := NewMachine[F](net, 4), NewMachine[F](net, 4)
	stepper, sink := newStepSink(got), newStepSink(want)
	held.Hold(got)
	for step := range 3 {
		b := loose.Batch(4)
		for i := range b.X {
			b.X[i] = F((i*(step+3))%11)/8 - 0.5
		}
		for i := range b.Labels {
			b.Labels[i] = int32(i % net.Outputs())
		}
		if a, w := held.Backward(got, b, stepper), loose.Backward(want, b, sink); a != w {
			t.Errorf("step %d: loss %v, want %v", step, a, w)
		}
		a, w := make(block[F], len(got)), make(block[F], len(got))
		if la, lw := held.Probe(got, b, a), loose.Probe(want, b, w); la != lw || !slices.Equal(a, w) {
			t.Errorf("step %d: probing while holding gives %v, want %v, or other gradients", step, la, lw)
		}
		if la, _ := held.Evaluate(got, b); la == 0 {
			t.Errorf("step %d: no loss", step)
		} else if lw, _ := loose.Evaluate(want, b); la != lw {
			t.Errorf("step %d: evaluating while holding gives %v, want %v", step, la, lw)
		}
	}
	held.Release(got)
	if !slices.Equal(got, want) {
		t.Error("holding gives other parameters")
	}
}

// block collects a gradient.
type block[F kernel.Float] []F

func (b block[F]) Gradient(offset int, g []F) { copy(b[offset:], g) }
