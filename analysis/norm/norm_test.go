package norm

import (
	"errors"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func build(t testing.TB, layers []relu.Layer, input ...int) (*relu.Network, []float32) {
	t.Helper()
	net, err := relu.New(layers, input, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]float32, net.Parameters())
	stream := keyed.New(1, "norm test")
	for i := range block {
		block[i] = float32(stream.Normal())
	}
	return net, block
}

func pathNorm(t testing.TB, net *relu.Network, block []float32) float64 {
	t.Helper()
	p, err := NewPath(net)
	if err != nil {
		t.Fatal(err)
	}
	if p.Norm(block) != p.Norm(block) {
		t.Error("two answers")
	}
	return p.Norm(block)
}

// paths sums over all paths one by one: from unit i of layer at on, weights given as matrices.
func paths(weights [][][]float64, at, i int) float64 {
	if at == len(weights) {
		return 1
	}
	sum := 0.0
	for o, row := range weights[at] {
		sum += math.Abs(row[i]) * paths(weights, at+1, o)
	}
	return sum
}

func matrix(net *relu.Network, block []float32, name string) [][]float64 {
	v, _ := net.Layout().Lookup(name)
	values := tensor.Of(block, v)
	rows := make([][]float64, v.Shape[0])
	for o := range rows {
		for _, w := range values[o*v.Shape[1]:][:v.Shape[1]] {
			rows[o] = append(rows[o], float64(w))
		}
	}
	return rows
}

func TestPathNormAgainstPaths(t *testing.T) {
	for name, norm := range map[string]relu.Norm{"plain": relu.NoNorm, "batch norm": relu.BatchNorms, "layer norm": relu.LayerNorms} {
		net, block := build(t, relu.MLP{Input: 3, Hidden: []int{4, 5}, Output: 2, Norm: norm, Slope: 0.2}.Layers(), 3)
		step := 2
		if norm != relu.NoNorm {
			step = 3
		}
		names := []string{"0.weight", []string{2: "2.weight", 3: "3.weight"}[step], []string{2: "4.weight", 3: "6.weight"}[step]}
		var weights [][][]float64
		for _, n := range names {
			weights = append(weights, matrix(net, block, n))
		}
		want := paths(weights, 0, 0) + paths(weights, 0, 1) + paths(weights, 0, 2)
		near(t, name, pathNorm(t, net, block), want, 1e-12)
	}
}

// A residual layer adds its shortcut's paths; a convolution has one path for each position that a kernel element meets; every
// element of a pooled window counts.
func TestPathNormOfOtherLayers(t *testing.T) {
	net, block := build(t, []relu.Layer{
		relu.Residual{Body: []relu.Layer{relu.Linear{In: 2, Out: 2, Bias: true}, relu.Softplus{}}}, relu.Scale{Factor: -0.5},
	}, 2)
	body := matrix(net, block, "0.body.0.weight")
	near(t, "residual", pathNorm(t, net, block), (2+paths([][][]float64{body}, 0, 0)+paths([][][]float64{body}, 0, 1))/2, 1e-12)

	net, block = build(t, []relu.Layer{
		relu.Conv2D{In: 1, Out: 1, Kernel: 3, Stride: 1, Padding: 1, Bias: true}, relu.ReLU{}, relu.MaxPool2D{Kernel: 2, Stride: 2},
		relu.Flatten{}, relu.Linear{In: 1, Out: 1},
	}, 1, 2, 2)
	want := 0.0 // each of the four pixels reaches each of the four outputs through one element of the kernel
	for pixel := range 4 {
		for out := range 4 {
			dy, dx := pixel/2-out/2+1, pixel%2-out%2+1
			want += math.Abs(float64(block[3*dy+dx]))
		}
	}
	last, _ := net.Layout().Lookup("4.weight")
	near(t, "convolution and pool", pathNorm(t, net, block), want*math.Abs(float64(block[last.Offset])), 1e-12)
}

func univariate(t testing.TB, skip bool, slope float64) (*Univariate, *relu.Network, []float32) {
	net, block := build(t, relu.Shallow{Input: 1, Width: 50, Output: 1, Skip: skip, Slope: slope}.Layers(), 1)
	u, err := NewUnivariate(net, block)
	if err != nil {
		t.Fatal(err)
	}
	return u, net, block
}

// What is read is the network: the function, and the path norm without the skip.
func TestUnivariateIsTheNetwork(t *testing.T) {
	for _, skip := range []bool{false, true} {
		u, net, block := univariate(t, skip, 0.3)
		m := relu.NewMachine[float32](net, 1)
		for _, x := range []float32{-3, -0.5, 0, 1, 4} {
			y := m.Forward(block, &relu.Batch[float32]{N: 1, X: []float32{x}})[0]
			if math.Abs(float64(y)-u.At(float64(x))) > 1e-4 {
				t.Errorf("f(%v) = %v, the network says %v", x, u.At(float64(x)), y)
			}
		}
		if skip != u.HasSkip {
			t.Errorf("HasSkip %v", u.HasSkip)
		}
		near(t, "path norm", u.PathNorm()+math.Abs(u.Skip), pathNorm(t, net, block), 1e-12)
	}
	for _, layers := range [][]relu.Layer{
		relu.MLP{Input: 1, Hidden: []int{3, 3}, Output: 1}.Layers(), {relu.Linear{In: 1, Out: 1}},
		{relu.Linear{In: 1, Out: 2}, relu.Softplus{}, relu.Linear{In: 2, Out: 1}},
		{relu.Residual{Body: relu.Shallow{Input: 1, Width: 2, Output: 1}.Layers()}},
	} {
		net, block := build(t, layers, 1)
		if _, err := NewUnivariate(net, block); !errors.Is(err, ErrNotUnivariate) {
			t.Errorf("%v: %v", layers, err)
		}
	}
}

// P5.1: the path norm is TV(f') by finite differences of f around every knot, |1-a| times for a leaky ReLU.
func TestVariationIsThePathNorm(t *testing.T) {
	for _, slope := range []float64{0, 0.4} {
		u, _, _ := univariate(t, true, slope)
		knots := u.Knots()
		if len(knots) != 50 {
			t.Fatalf("%d knots", len(knots))
		}
		near(t, "TV(f')", Variation(knots), (1-slope)*u.PathNorm(), 1e-12)
		var slopes []float64 // of f in every interval
		for i := range len(knots) + 1 {
			left, right := knots[max(0, i-1)].At, knots[min(i, len(knots)-1)].At
			if i == 0 {
				left--
			}
			if i == len(knots) {
				right++
			}
			slopes = append(slopes, (u.At(right)-u.At(left))/(right-left))
		}
		for i, k := range knots {
			if jump := slopes[i+1] - slopes[i]; math.Abs(jump-k.Jump) > 1e-6 {
				t.Errorf("knot at %g jumps by %g, slopes say %g", k.At, k.Jump, jump)
			}
		}
	}
}

func TestKnotsOfUnitsThatShareOne(t *testing.T) {
	u := &Univariate{V: []float64{1, -1, 2, 5}, W: []float64{2, -2, 1, 0}, B: []float64{-2, 2, 1, 7}}
	knots := u.Knots() // at 1: 2 - 2; at -1: 2; a constant
	if len(knots) != 2 || knots[0] != (Knot{-1, 2}) || knots[1] != (Knot{1, 0}) || Variation(knots) != 2 || u.PathNorm() != 6 {
		t.Errorf("%v, TV %v, path norm %v", knots, Variation(knots), u.PathNorm())
	}
	merged := Merge([]Knot{{0, 1}, {0.1, 3}, {0.5, 0.02}, {1, -2}, {1.05, 2}}, 0.1, 0.01)
	if len(merged) != 1 || math.Abs(merged[0].At-0.075) > 1e-15 || merged[0].Jump != 4 {
		t.Errorf("merged %v", merged)
	}
	if len(Merge(nil, 1, 0.1)) != 0 {
		t.Error("knots from nothing")
	}
}

func TestBalance(t *testing.T) {
	u := &Univariate{V: []float64{1, 2, 1e-4, -3}, W: []float64{1, -1, 1, 1}, B: []float64{0, 0, 0, math.Sqrt(8)}}
	if got := *u.Balance(false); math.Abs(got-1./3) > 1e-15 { // of 0, 1/3, 1/2
		t.Errorf("balance %v", got)
	}
	if got := *u.Balance(true); got > 1e-15 { // of 0, 1/3, 0
		t.Errorf("balance with biases %v", got)
	}
	u.V = []float64{1, 2, 0, 0}
	if got := *u.Balance(false); math.Abs(got-1./6) > 1e-15 {
		t.Errorf("balance of two %v", got)
	}
	u.V = make([]float64, 4)
	if u.Balance(false) != nil {
		t.Error("balance of nothing")
	}
}

// P5.6: the cheapest interpolation by the formula, against a search over the slopes outside of the data.
func TestInterpolationAgainstSearch(t *testing.T) {
	x := []float64{-1, -0.7, -0.2, 0.1, 0.6, 1}
	for name, f := range map[string]func(float64) float64{
		"line": func(x float64) float64 { return x }, "sine": func(x float64) float64 { return math.Sin(3 * x) },
		"steep": func(x float64) float64 { return 10*x + math.Cos(40*x)/10 },
	} {
		var y []float64
		for _, v := range x {
			y = append(y, f(v))
		}
		p := points(t, x, y)
		s := p.slopes(y)
		least := math.Inf(1) // of max(int |f''|, |f'(-inf) + f'(inf)|)
		for left := -20.0; left <= 20; left += 0.01 {
			for _, right := range []float64{s[len(s)-1], -left, s[len(s)-1] - (left - s[0])} {
				v := p.Interpolation(true) + math.Abs(left-s[0]) + math.Abs(right-s[len(s)-1])
				least = min(least, max(v, math.Abs(left+right)))
			}
		}
		if got := p.Interpolation(false); got > least+1e-9 || got < least-0.02 {
			t.Errorf("%s: %g, search says %g", name, got, least)
		}
	}
}
