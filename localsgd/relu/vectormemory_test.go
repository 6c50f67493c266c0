package relu

import (
	"runtime"
	"testing"
)

// footprint is the formula of Machine's documentation for layers of vectors: numbers for each example of a batch, and for
// the machine.
type footprint struct{ example, machine int }

// add counts layers that follow each other, from the shape of an example.
func (f *footprint) add(t *testing.T, layers []Layer, in []int) {
	t.Helper()
	t.Helper()
	for _, l := range layers {
		out, err := l.resolve(in, &plan{})
		if err != nil {
			t.Fatal(err)
		}
		f.layer(t, l, in, out)
		in = out
	}
}

func (f *footprint) layer(t *testing.T, l Layer, in, out []int) {
	t.Helper()
	switch l := l.(type) {
	case Linear:
		f.example += product(in) + 3*product(out)
		f.machine += (l.In+1)*l.Out + 64*l.In + max(32*l.Out, min(128*l.In, 1<<15)+(1<<12))
	case BatchNorm, LayerNorm, Softplus:
		f.example += 2 * product(in)
	case Residual:
		f.example += 2 * product(out)
		f.add(t, l.Body, in)
		f.add(t, l.Shortcut, in)
	}
}

// A machine takes what its documentation says, within what rounding widths up to vectors costs, and not much less: a formula
// that says too much would be of no use either.
func TestMachinesOfVectorsTakeTheMemoryTheySay(t *testing.T) {
	for _, c := range []struct {
		name     string
		layers   []Layer
		input    []int
		maxBatch int
	}{
		{"2NN", MLP{Input: 784, Hidden: []int{200, 200}, Output: 10}.Layers(), []int{784}, 50},
		{"2NN of large batches", MLP{Input: 784, Hidden: []int{200, 200}, Output: 10}.Layers(), []int{784}, 1000},
		{"wide", MLP{Input: 784, Hidden: []int{1024, 1024}, Output: 10}.Layers(), []int{784}, 16},
		{"deep with norms", MLP{Input: 100, Hidden: []int{96, 96, 96, 96}, Output: 10, Norm: BatchNorms, Residual: true}.Layers(), []int{100}, 64},
	} {
		net, err := New(c.layers, c.input, CrossEntropy)
		if err != nil {
			t.Fatal(err)
		}
		f := footprint{example: net.Inputs() + net.Outputs()}
		f.add(t, c.layers, c.input)
		want := 4 * float64(f.example*c.maxBatch+f.machine)
		got := float64(machineBytes(net, c.maxBatch))
		t.Logf("%s: %.1f MB, %.2f of what is said", c.name, got/1e6, got/want)
		if got > 1.1*want+32<<10 || got < want/3 {
			t.Errorf("%s: a machine takes %.0f bytes, its documentation says %.0f", c.name, got, want)
		}
	}
}

// machineBytes is what a machine takes after a step.
func machineBytes(net *Network, maxBatch int) uint64 {
	params := make([]float32, net.Parameters())
	net.Initialize(params, KaimingNormal, 1)
	before := liveHeap()
	m := NewMachine[float32](net, maxBatch)
	m.Backward(params, m.Batch(min(maxBatch, 4)), forget{})
	after := liveHeap()
	runtime.KeepAlive(m)
	runtime.KeepAlive(params)
	return after - before
}

// forget is a Sink that does nothing.
type forget struct{}

// Gradient implements Sink.
func (forget) Gradient(int, []float32) {}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
