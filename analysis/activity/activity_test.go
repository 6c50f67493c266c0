package activity

import (
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

func newNetwork(t testing.TB, layers []relu.Layer, input ...int) *relu.Network {
	t.Helper()
	net, err := relu.New(layers, input, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func start(net *relu.Network, seed uint64) []float32 {
	block := make([]float32, net.Parameters())
	net.Initialize(block, relu.KaimingUniform, seed)
	return block
}

func inputs(net *relu.Network, key uint64, n int) *relu.Batch[float32] {
	b := &relu.Batch[float32]{N: n, X: make([]float32, n*net.Inputs())}
	stream := keyed.New(1, "activity test", key)
	for i := range b.X {
		b.X[i] = float32(stream.Normal())
	}
	return b
}

// convolutional has gates over channels and positions, one activation without gates, and gates of a leaky ReLU.
func convolutional(t testing.TB) *relu.Network {
	return newNetwork(t, []relu.Layer{
		relu.Conv2D{In: 1, Out: 3, Kernel: 3, Stride: 1, Bias: true}, relu.ReLU{}, relu.MaxPool2D{Kernel: 2, Stride: 2},
		relu.Flatten{}, relu.Linear{In: 12, Out: 7, Bias: true}, relu.Softplus{},
		relu.Linear{In: 7, Out: 9, Bias: true}, relu.ReLU{Slope: 0.1}, relu.Linear{In: 9, Out: 2},
	}, 1, 6, 6)
}

// outputs is the twin: it keeps all that it sees.
type outputs map[int][]float32

func (o outputs) Activation(i int, y []float32, _ int) { o[i] = append(o[i], y...) }

// watch shows the batches to w, in a pass each.
func watch(net *relu.Network, params []float32, w relu.Watcher[float32], batches ...*relu.Batch[float32]) {
	m := relu.NewMachine[float32](net, 64)
	m.Watch(w)
	for _, b := range batches {
		m.Forward(params, b)
	}
}

func TestFlipsAgainstTwin(t *testing.T) {
	net := convolutional(t)
	models := [][]float32{start(net, 1), start(net, 2), start(net, 3)}
	first, second := inputs(net, 1, 20), inputs(net, 2, 13)
	var patterns []Pattern
	var seen []outputs
	for _, m := range models {
		r, all := NewRecorder(net), outputs{}
		watch(net, m, r, first, second)
		watch(net, m, all, first, second)
		patterns, seen = append(patterns, r.Take()), append(seen, all)
		if again := r.Take(); again[0].N != 0 || again[0].Name != "1" {
			t.Error("Take does not begin anew")
		}
	}
	differ := func(a, b, activation int) float64 {
		count := 0.
		for i, v := range seen[a][activation] {
			if (v > 0) != (seen[b][activation][i] > 0) {
				count++
			}
		}
		return count / float64(len(seen[a][activation]))
	}
	gated := []int{0, 2} // the softplus between them has no gates
	flips, err := Flips(patterns[0], patterns[1])
	if err != nil || len(flips) != 2 || flips[0].Name != "1" || flips[1].Name != "7" {
		t.Fatalf("%v, %v", flips, err)
	}
	agreement, err := Agree(patterns)
	if err != nil {
		t.Fatal(err)
	}
	for i, activation := range gated {
		want := differ(0, 1, activation)
		if flips[i].Fraction != want || want == 0 {
			t.Errorf("%s: %v of the gates flip, want %v", flips[i].Name, flips[i].Fraction, want)
		}
		mean := (differ(0, 1, activation) + differ(0, 2, activation) + differ(1, 2, activation)) / 3
		if math.Abs(agreement[i].Fraction-(1-mean)) > 1e-15 {
			t.Errorf("%s: agreement %v, want %v", agreement[i].Name, agreement[i].Fraction, 1-mean)
		}
		for j, v := range seen[2][activation] {
			if patterns[2][i].Open(j) != (v > 0) {
				t.Fatalf("gate %d of %s", j, patterns[2][i].Name)
			}
		}
	}
}

func TestMeanFlips(t *testing.T) {
	mean, err := MeanFlips([]float64{1, 3}, [][]Flip{{{"1", 0.5}}, {{"1", 0.1}}})
	if err != nil || math.Abs(mean[0].Fraction-0.2) > 1e-15 || mean[0].Name != "1" {
		t.Errorf("%v, %v", mean, err)
	}
	if _, err := MeanFlips([]float64{1, 0}, [][]Flip{{{"1", 0.5}}, {{"1", 0.1}}}); err == nil {
		t.Error("weight 0 is no weight")
	}
	if _, err := MeanFlips(nil, nil); err == nil {
		t.Error("no shard")
	}
	if _, err := Flips(Pattern{{Name: "1"}}, Pattern{{Name: "1"}}); err == nil {
		t.Error("no example")
	}
	if _, err := Flips(Pattern{}, Pattern{{Name: "1"}}); err == nil {
		t.Error("other networks")
	}
	if _, err := Agree([]Pattern{{}}); err == nil {
		t.Error("one model agrees with nobody")
	}
}

func TestUnitsAgainstTwin(t *testing.T) {
	net := convolutional(t)
	params, b := start(net, 4), inputs(net, 3, 40)
	bias, _ := net.Layout().Lookup("0.bias")
	copy(params[bias.Offset:], []float32{-100, 100, 0}) // dead, always on, neither
	u, all := NewUnits(net), outputs{}
	watch(net, params, u, b)
	watch(net, params, all, b)
	counts := u.Counts()
	if len(counts) != 2 || counts[0] != (Count{"1", 3, 1, 1}) {
		t.Fatalf("%+v", counts)
	}
	want := Count{Name: "7", Units: 9}
	for unit := range 9 {
		open := 0
		for i := unit; i < len(all[2]); i += 9 {
			if all[2][i] > 0 {
				open++
			}
		}
		switch open {
		case 0:
			want.Dead++
		case 40:
			want.AlwaysOn++
		}
	}
	if counts[1] != want {
		t.Errorf("%+v, want %+v", counts[1], want)
	}
	if NewUnits(net).Counts() != nil {
		t.Error("nothing was seen")
	}
}

func TestEntropiesAreMeansOverBatches(t *testing.T) {
	net := newNetwork(t, relu.MLP{Input: 4, Hidden: []int{8}, Output: 1}.Layers(), 4)
	params, small, large := start(net, 5), inputs(net, 4, 2), inputs(net, 5, 6)
	e := NewEntropies(net)
	watch(net, params, e, small, large)
	want := 0.0
	for _, b := range []*relu.Batch[float32]{small, large} {
		all := outputs{}
		watch(net, params, all, b)
		for row := range slices.Chunk(all[0], 8) {
			h, _ := Entropy(row)
			want += h / float64(b.N) / 2
		}
	}
	if got := e.Layers()[0]; got.Name != "1" || math.Abs(*got.Entropy-want) > 1e-13 {
		t.Errorf("entropy %v of layer %s, want %v", *got.Entropy, got.Name, want)
	}
	if got := NewEntropies(net).Layers()[0]; got.Entropy != nil || got.Reason == "" {
		t.Errorf("nothing was seen: %+v", got)
	}
	small.X[0] = float32(math.NaN())
	watch(net, params, e, small)
	if got := e.Layers()[0]; got.Entropy != nil || got.Reason != "an output is not finite" {
		t.Errorf("NaN: %+v", got)
	}
}
