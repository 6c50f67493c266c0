package activity

import (
	"errors"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// deep is a network of P2's form with W_n = I + c n^-2 G/sqrt(m) and b_n ~ 0.1 n^-2 (Y1).
func deep(t testing.TB, width, depth int, seed uint64) (*relu.Network, []float32) {
	hidden := make([]int, depth)
	for i := range hidden {
		hidden[i] = width
	}
	net := newNetwork(t, relu.MLP{Input: 5, Hidden: hidden, Output: 2}.Layers(), 5)
	block := make([]float32, net.Parameters())
	net.Initialize(block, relu.Identity{C: 0.5, P: 2}, seed)
	stream := keyed.New(seed, "deep")
	for i := range net.Layout().Len() {
		if v := net.Layout().At(i); len(v.Shape) == 1 {
			n := float64(i/2 + 1)
			for j := range tensor.Of(block, v) {
				block[v.Offset+j] = float32(0.1 / (n * n) / math.Sqrt(float64(width)) * stream.Normal())
			}
		}
	}
	return net, block
}

// The bound of P2 2.4 holds for the states that a machine computes, at every depth, in several draws; and it is not empty: it
// falls with depth.
func TestTailsBoundTheStates(t *testing.T) {
	const width, depth = 16, 40
	for seed := range uint64(5) {
		net, block := deep(t, width, depth, seed)
		d, err := MeasureDepth(new(analysis.Workspace), net, block)
		if err != nil || d.Reason != "" || len(d.Layers) != depth-1 {
			t.Fatalf("%d layers, %q, %v", len(d.Layers), d.Reason, err)
		}
		states := outputs{}
		watch(net, block, states, inputs(net, seed, 1))
		tails := d.Tails(length(states[0]))
		for n, tail := range tails {
			moved := make([]float32, width)
			for i := range moved {
				moved[i] = states[depth-1][i] - states[n][i]
			}
			if length(moved) > tail+1e-5 {
				t.Errorf("seed %d: x_%d moves by %g, bound %g", seed, n+1, length(moved), tail)
			}
		}
		if tails[0] < 20*tails[20] || tails[depth-1] != 0 {
			t.Errorf("the bound goes from %g to %g and %g", tails[0], tails[20], tails[depth-1])
		}
	}
}

func length(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// W = I + s u u^T for a unit vector u has both distances |s|.
func TestIdentityByHand(t *testing.T) {
	net := newNetwork(t, relu.MLP{Input: 3, Hidden: []int{4, 4, 4}, Output: 1}.Layers(), 3)
	block := start(net, 1)
	for name, s := range map[string]float32{"2.weight": 0.5, "4.weight": -2} {
		v, _ := net.Layout().Lookup(name)
		for i := range 16 {
			block[v.Offset+i] = s / 4
			if i%5 == 0 {
				block[v.Offset+i]++
			}
		}
	}
	for name, values := range map[string][]float32{"2.bias": {3, 0, 4, 0}, "4.bias": {0, 0, 0, 1}} {
		v, _ := net.Layout().Lookup(name)
		copy(block[v.Offset:], values)
	}
	d, err := MeasureDepth(new(analysis.Workspace), net, block)
	if err != nil {
		t.Fatal(err)
	}
	want := []Identity{{"2", 0.5, 0.5, 5}, {"4", 2, 2, 1}}
	for i, l := range d.Layers {
		if l.Name != want[i].Name || math.Abs(l.Spectral-want[i].Spectral) > 1e-6 ||
			math.Abs(l.Frobenius-want[i].Frobenius) > 1e-6 || l.Bias != want[i].Bias {
			t.Errorf("%+v, want %+v", l, want[i])
		}
	}
	if math.Abs(d.SumP-2.5) > 1e-6 || d.SumB != 6 {
		t.Errorf("sums %v, %v", d.SumP, d.SumB)
	}
	v, _ := net.Layout().Lookup("2.weight")
	block[v.Offset] = float32(math.NaN())
	if _, err := MeasureDepth(new(analysis.Workspace), net, block); !errors.Is(err, analysis.ErrNotFinite) {
		t.Errorf("NaN: %v", err)
	}
}

func TestNetworksWithoutDepth(t *testing.T) {
	for want, layers := range map[string][]relu.Layer{
		"fewer than two hidden layers":                         relu.MLP{Input: 3, Hidden: []int{4}, Output: 1}.Layers(),
		"layer 2 is 5 x 4, the first hidden layer has 4 units": relu.MLP{Input: 3, Hidden: []int{4, 5}, Output: 1}.Layers(),
		"layer 1 is not a relu of slope 0":                     relu.MLP{Input: 3, Hidden: []int{4, 4}, Output: 1, Slope: 0.1}.Layers(),
		"layer 2 is not linear":                                relu.MLP{Input: 3, Hidden: []int{4, 4}, Output: 1, Residual: true}.Layers(),
	} {
		net := newNetwork(t, layers, 3)
		d, err := MeasureDepth(new(analysis.Workspace), net, start(net, 1))
		if err != nil || d.Reason != want || d.Tails(1) != nil {
			t.Errorf("%q, %v, want %q", d.Reason, err, want)
		}
	}
}
