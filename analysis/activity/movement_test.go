package activity

import (
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

func movement(net *relu.Network, params []float32, batch *relu.Batch[float32]) []Moved {
	m := NewMovement(net)
	watch(net, params, m, batch)
	return m.Layers()
}

// P2.4: independent He layers move every state by sqrt(2 - 2/pi) = 1.168 at all depths; near the identity the movement vanishes
// like the layers' distance from it.
func TestMovementOfDeepNetworks(t *testing.T) {
	const width, depth = 512, 12
	hidden := make([]int, depth)
	for i := range hidden {
		hidden[i] = width
	}
	net := newNetwork(t, relu.MLP{Input: 8, Hidden: hidden, Output: 1, NoBias: true}.Layers(), 8)
	params := make([]float32, net.Parameters())
	net.Initialize(params, relu.KaimingNormal, 1)
	sum := 0.0
	for i, l := range movement(net, params, inputs(net, 1, 4))[1:] {
		sum += *l.Relative / (depth - 1)
		if math.Abs(*l.Relative-math.Sqrt(2-2/math.Pi)) > 0.11 { // three deviations of what was found elsewhere, .035
			t.Errorf("He: activation %d moves by %.3f", i+1, *l.Relative)
		}
	}
	t.Logf("He: mean movement %.4f, closed form %.4f", sum, math.Sqrt(2-2/math.Pi))
	if math.Abs(sum-math.Sqrt(2-2/math.Pi)) > 0.025 {
		t.Errorf("He: mean movement %.4f", sum)
	}
	net.Initialize(params, relu.Identity{C: 0.5, P: 2}, 1)
	layers := movement(net, params, inputs(net, 1, 4))
	for n := 2; n <= depth; n++ { // ||c n^-2 G x/sqrt(m)|| is c n^-2 ||x||, less what gates cut off
		if got, scale := *layers[n-1].Relative, 0.5/float64(n*n); got > 1.1*scale || got < scale/2 {
			t.Errorf("identity: activation %d moves by %g of %g", n, got, scale)
		}
	}
}

func TestMovementThatDoesNotExist(t *testing.T) {
	net := newNetwork(t, relu.MLP{Input: 2, Hidden: []int{3, 4, 4}, Output: 1, NoBias: true}.Layers(), 2)
	zero := make([]float32, net.Parameters())
	for i, want := range []string{"it is the first activation", "4 outputs after 3", "the state before is 0 for an example"} {
		if got := movement(net, zero, inputs(net, 1, 2))[i]; got.Relative != nil || got.Reason != want {
			t.Errorf("%+v, want %q", got, want)
		}
	}
	if got := NewMovement(net).Layers()[2]; got.Reason != "no example was seen" {
		t.Errorf("%+v", got)
	}
}

// Three states by hand: (1, 0), (0.6, 0.8), (0, 0): movements 2 sin(angle/2) and 1.
func TestMovementByHand(t *testing.T) {
	net := newNetwork(t, relu.MLP{Input: 1, Hidden: []int{2, 2, 2}, Output: 1, NoBias: true}.Layers(), 1)
	params := []float32{1, 0 /**/, 0.6, 0, 0.8, 0 /**/, -1, 0, 0, -1 /**/, 1, 1}
	batch := &relu.Batch[float32]{N: 1, X: []float32{1}}
	layers := movement(net, params, batch)
	if math.Abs(*layers[1].Relative-math.Sqrt(0.8)) > 1e-6 || math.Abs(*layers[2].Relative-1) > 1e-6 {
		t.Errorf("movements %v, %v", *layers[1].Relative, *layers[2].Relative)
	}
}
