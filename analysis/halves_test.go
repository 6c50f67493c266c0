package analysis

import (
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// The gradients of the halves average to that of the whole, and each is the twin's on its examples.
func TestHalves(t *testing.T) {
	f := newFixture(t, 6, 4)
	a, b := f.measurer().Halves(f.model, &f.probe)
	whole := f.twinGradient(f.model)
	for i := range whole {
		within(t, "mean of the halves", (float64(a[i])+float64(b[i]))/2, whole[i], 1e-6)
	}
	f.probe = relu.Batch[float32]{N: 6, X: f.probe.X[30:], Labels: f.probe.Labels[6:]}
	for i, want := range f.twinGradient(f.model) {
		within(t, "second half", float64(b[i]), want, 1e-6)
	}
	one := relu.Batch[float32]{N: 1, X: f.probe.X[:5], Labels: f.probe.Labels[:1]}
	if a, b := f.measurer().Halves(f.model, &one); a != nil || b != nil {
		t.Error("one example has halves")
	}
}

func TestMeasureModules(t *testing.T) {
	f := newFixture(t, 6, 4)
	whole, modules, err := f.measurer().MeasureModules(2, f.end, f.model, &f.probe)
	if err != nil || len(modules) != 3 {
		t.Fatalf("%d layers, %v", len(modules), err)
	}
	squares := 0.0
	for _, m := range modules {
		squares += m.Drift * m.Drift
	}
	near(t, "squares of the layers", squares, whole.Drift*whole.Drift, 1e-12)
	if modules[0].Name != "0" || modules[2].Name != "4" {
		t.Errorf("layers %v", modules)
	}
}
