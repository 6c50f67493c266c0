package activity

import (
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// Watching the passes that measure drift gives what two passes of their own give, and leaves the drift as it is.
func TestFlipCounterBesideDrift(t *testing.T) {
	net := convolutional(t)
	end, model, probe := start(net, 6), start(net, 7), inputs(net, 6, 20)
	probe.Targets = make([]float32, 20*2)
	m := relu.NewMachine[float32](net, 20)
	measurer := analysis.NewMeasurer(net.Layout(), m)
	want, err := measurer.Measure(0, end, model, probe)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFlipCounter(net)
	m.Watch(f)
	if got, err := measurer.Measure(0, end, model, probe); got != want || err != nil {
		t.Errorf("watched %+v, %v, want %+v", got, err, want)
	}
	m.Watch(nil)
	first, second := NewRecorder(net), NewRecorder(net)
	watch(net, end, first, probe)
	watch(net, model, second, probe)
	flips, err := Flips(first.Take(), second.Take())
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Take(); !slices.Equal(got, flips) {
		t.Errorf("%v, want %v", got, flips)
	}
	if f.Take() != nil {
		t.Error("Take does not begin anew")
	}
}
