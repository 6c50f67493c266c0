package averaging

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func newNetwork(t testing.TB, layers []relu.Layer, input ...int) *relu.Network {
	t.Helper()
	net, err := relu.New(layers, input, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// random fills a block with normal numbers, running variances with positive ones.
func random(net *relu.Network, key uint64) []float32 {
	block := make([]float32, net.Parameters())
	stream := keyed.New(1, "averaging test", key)
	for i := range block {
		block[i] = float32(stream.Normal())
	}
	for i := range net.Layout().Len() {
		if v := net.Layout().At(i); v.Buffer {
			for j, x := range tensor.Of(block, v) {
				block[v.Offset+j] = 0.5 + x*x
			}
		}
	}
	return block
}

func examples(net *relu.Network, n int) *relu.Batch[float32] {
	b := &relu.Batch[float32]{N: n, X: make([]float32, n*net.Inputs()), Labels: make([]int32, n)}
	stream := keyed.New(2, "averaging test")
	for i := range b.X {
		b.X[i] = float32(stream.Normal())
	}
	for i := range b.Labels {
		b.Labels[i] = int32(stream.Below(net.Outputs()))
	}
	return b
}

func TestAssignAgainstAllPermutations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "n")
		gain := make([][]float64, n)
		for i := range gain {
			gain[i] = rapid.SliceOfN(rapid.Float64Range(-10, 10), n, n).Draw(t, "gain")
			if rapid.Bool().Draw(t, "ties") {
				for j, v := range gain[i] {
					gain[i][j] = math.Round(v / 5)
				}
			}
		}
		p := assign(gain)
		got, seen := 0.0, make([]bool, n)
		for i, j := range p {
			got += gain[i][j]
			if seen[j] {
				t.Fatalf("%v is no permutation", p)
			}
			seen[j] = true
		}
		if best := bestOf(gain, 0, make([]bool, n)); math.Abs(got-best) > 1e-9 {
			t.Fatalf("%v has %v, the best is %v", p, got, best)
		}
	})
}

func bestOf(gain [][]float64, i int, taken []bool) float64 {
	if i == len(gain) {
		return 0
	}
	best := math.Inf(-1)
	for j, v := range gain[i] {
		if !taken[j] {
			taken[j] = true
			best = max(best, v+bestOf(gain, i+1, taken))
			taken[j] = false
		}
	}
	return best
}

// A model with its units shuffled is brought back exactly, norms and running statistics included; noise in it does not hinder.
// chains are networks whose units can be brought into another order.
func chains(t *testing.T) map[string]*relu.Network {
	all := map[string]*relu.Network{
		"images": newNetwork(t, []relu.Layer{
			relu.Conv2D{In: 2, Out: 5, Kernel: 3, Stride: 1, Padding: 1, Bias: true}, relu.ReLU{}, relu.MaxPool2D{Kernel: 2, Stride: 2},
			relu.Conv2D{In: 5, Out: 7, Kernel: 2, Stride: 1}, relu.BatchNorm{Features: 7, Dims: 2, Eps: 1e-5, Momentum: 0.1}, relu.ReLU{},
			relu.Flatten{}, relu.Linear{In: 28, Out: 6, Bias: true}, relu.ReLU{Slope: 0.1}, relu.Linear{In: 6, Out: 3, Bias: true},
		}, 2, 6, 6),
		"means of channels": newNetwork(t, []relu.Layer{
			relu.Conv2D{In: 1, Out: 8, Kernel: 3, Stride: 1}, relu.ReLU{}, relu.GlobalAvgPool2D{}, relu.Linear{In: 8, Out: 3, Bias: true},
		}, 1, 5, 5),
	}
	for name, norm := range map[string]relu.Norm{"plain": relu.NoNorm, "batch norm": relu.BatchNorms, "layer norm": relu.LayerNorms} {
		all[name] = newNetwork(t, relu.MLP{Input: 6, Hidden: []int{12, 9, 7}, Output: 3, Norm: norm}.Layers(), 6)
	}
	return all
}

func TestAlignUndoesAPermutation(t *testing.T) {
	for norm, net := range chains(t) {
		reference := random(net, 1)
		shuffled := slices.Clone(reference)
		hidden, _ := hiddenLayers(net)
		stream := keyed.New(1, "shuffle")
		for _, h := range hidden {
			order := identity(h.units)
			for i, j := range stream.Perm(h.units) {
				order[i] = int(j)
			}
			h.permute(shuffled, order)
		}
		m, b := relu.NewMachine[float32](net, 20), examples(net, 20)
		before := slices.Clone(m.Forward(reference, b))
		for i, y := range m.Forward(shuffled, b) {
			if math.Abs(float64(y-before[i])) > 1e-3*(1+math.Abs(float64(y))) {
				t.Fatalf("%s: shuffling units changes output %d: %v, %v", norm, i, y, before[i])
			}
		}
		a, reason := Align(net, reference, shuffled)
		if reason != "" || !slices.Equal(a.Params, reference) {
			t.Errorf("%s: not aligned after %d sweeps %s", norm, a.Sweeps, reason)
		}
		noisy := slices.Clone(shuffled)
		for i := range noisy {
			noisy[i] += float32(0.01 * stream.Normal())
		}
		n, _ := Align(net, reference, noisy)
		for l := range a.Permutations {
			if !slices.Equal(n.Permutations[l], a.Permutations[l]) {
				t.Errorf("%s: noise changes the order of layer %d", norm, l)
			}
		}
	}
}

func TestNetworksThatAreNotAligned(t *testing.T) {
	for want, layers := range map[string][]relu.Layer{
		"there is no hidden layer":        {relu.Linear{In: 4, Out: 2}},
		"layer 0 is a norm of the inputs": {relu.LayerNorm{Features: 4, Eps: 1e-5}, relu.Linear{In: 4, Out: 2}},
		"layer 0 is relu.Residual, and units are aligned in chains of linear layers and convolutions only": {relu.Residual{Body: []relu.Layer{relu.Linear{In: 4, Out: 4}}}},
	} {
		net := newNetwork(t, layers, 4)
		if a, reason := Align(net, random(net, 1), random(net, 2)); a != nil || reason != want {
			t.Errorf("%q, want %q", reason, want)
		}
	}
}

func TestImagesThatAreNotAligned(t *testing.T) {
	conv, last := relu.Conv2D{In: 1, Out: 3, Kernel: 2, Stride: 1}, relu.Linear{In: 27, Out: 2}
	for want, layers := range map[string][]relu.Layer{
		"layer 1 is a norm with weights of other things than units": {conv, relu.LayerNorm{Features: 3, Eps: 1e-5}, last}, // of columns, by chance 3
		"layer 2 is a norm with weights of other things than units": {conv, relu.Flatten{}, relu.BatchNorm{Features: 27, Dims: 1, Eps: 1e-5}, last},
		"layer 1 is relu.GroupNorm, and units are aligned in chains of linear layers and convolutions only": {
			conv, relu.GroupNorm{Groups: 3, Features: 3, Eps: 1e-5}, last},
	} {
		net := newNetwork(t, layers, 1, 4, 4)
		if a, reason := Align(net, random(net, 1), random(net, 2)); a != nil || reason != want {
			t.Errorf("%q, want %q", reason, want)
		}
	}
}

// Between a model and its shuffled copy there is a barrier; after alignment there is none.
func TestBarrier(t *testing.T) {
	net := newNetwork(t, relu.MLP{Input: 6, Hidden: []int{16}, Output: 3}.Layers(), 6)
	a := random(net, 3)
	b := slices.Clone(a)
	hidden, _ := hiddenLayers(net)
	hidden[0].permute(b, append([]int{15}, identity(15)...))
	m, batch := relu.NewMachine[float32](net, 50), examples(net, 50)
	out := m.Forward(a, batch)
	for i := range batch.Labels { // the labels are what the model says, so that it is good
		row := out[3*i : 3*i+3]
		batch.Labels[i] = int32(slices.Index(row, slices.Max(row)))
	}
	loss := func(params []float32) (float64, error) {
		sum, _ := m.Evaluate(params, batch)
		return sum / 50, nil
	}
	barrier, err := MeasureBarrier(a, b, loss)
	if err != nil {
		t.Fatal(err)
	}
	first, last := barrier.Losses[0], barrier.Losses[10]
	highest := 0.0
	for i, l := range barrier.Losses {
		highest = max(highest, l-(1-float64(i)/10)*first-float64(i)/10*last)
	}
	if barrier.Height < 0.01 || math.Abs(barrier.Height-highest) > 1e-12 || barrier.Alpha <= 0 || barrier.Alpha >= 1 {
		t.Errorf("%+v, want height %g", barrier, highest)
	}
	aligned, _ := Align(net, a, b)
	if barrier, _ := MeasureBarrier(a, aligned.Params, loss); barrier.Height != 0 {
		t.Errorf("after alignment: %+v", barrier)
	}
	failing := errors.New("no data")
	if _, err := MeasureBarrier(a, b, func([]float32) (float64, error) { return 0, failing }); !errors.Is(err, failing) {
		t.Errorf("error %v", err)
	}
}

// A parabola has the barrier of its middle, whatever the tilt.
func TestBarrierByHand(t *testing.T) {
	b, _ := MeasureBarrier([]float32{-1}, []float32{3}, func(p []float32) (float64, error) {
		x := float64(p[0])
		return 5*x - (x+1)*(x-3), nil
	})
	if math.Abs(b.Height-4) > 1e-6 || b.Alpha != 0.5 {
		t.Errorf("%+v", b)
	}
	b, _ = MeasureBarrier([]float32{-1}, []float32{3}, func(p []float32) (float64, error) { return float64(p[0] * p[0]), nil })
	if b.Height != 0 {
		t.Errorf("a convex loss has a barrier: %+v", b)
	}
}

// After recalibration evaluation normalises by the batch, up to the unbiased variance: hidden outputs have mean 0.
func TestRecalibrate(t *testing.T) {
	net := newNetwork(t, []relu.Layer{
		relu.Residual{Body: []relu.Layer{relu.Linear{In: 4, Out: 4}, relu.BatchNorm{Features: 4, Dims: 1, Eps: 1e-5, Momentum: 0.1}}, Shortcut: []relu.Layer{relu.Linear{In: 4, Out: 4}}},
	}, 4)
	params, b := random(net, 4), examples(net, 30)
	plain := slices.Clone(params)
	r, err := NewRecalibrator(net, 30)
	if err != nil {
		t.Fatal(err)
	}
	r.Recalibrate(params, b)
	weight, _ := net.Layout().Lookup("0.body.0.weight")
	mean, _ := net.Layout().Lookup("0.body.1.running_mean")
	variance, _ := net.Layout().Lookup("0.body.1.running_var")
	for o := range 4 {
		var y []float64
		average, square := 0.0, 0.0
		for i := range 30 {
			sum := 0.0
			for j := range 4 {
				sum += float64(plain[weight.Offset+4*o+j]) * float64(b.X[4*i+j])
			}
			y = append(y, sum)
			average += sum / 30
		}
		for _, v := range y {
			square += (v - average) * (v - average) / 29
		}
		if math.Abs(float64(params[mean.Offset+o])-average) > 1e-5 || math.Abs(float64(params[variance.Offset+o])-square) > 1e-4 {
			t.Errorf("feature %d: %v, %v, want %v, %v", o, params[mean.Offset+o], params[variance.Offset+o], average, square)
		}
	}
	for i := range net.Layout().Len() {
		if v := net.Layout().At(i); !v.Buffer && !slices.Equal(tensor.Of(params, v), tensor.Of(plain, v)) {
			t.Errorf("%s has changed", v.Name)
		}
	}
}

func meter(net *relu.Network, score func([]float32) (float64, float64, error)) *Meter {
	return &Meter{Layout: net.Layout(), Ranks: analysis.RankOptions{Epsilon: 0.01}, Workspace: new(analysis.Workspace), Score: score}
}

// The ranks of means of models with disjoint directions add up, and scores are those of the weighted mean.
func TestCurve(t *testing.T) {
	net := newNetwork(t, []relu.Layer{relu.Linear{In: 5, Out: 5}}, 5)
	var models [][]float32
	for k := range 3 {
		w := make([]float32, 25)
		w[6*k] = 1
		models = append(models, w)
	}
	weights := []float64{1, 2, 5}
	points, err := Curve(t.Context(), meter(net, func(p []float32) (float64, float64, error) { return float64(p[0]), float64(p[12]), nil }), weights, models)
	if err != nil || len(points) != 3 {
		t.Fatal(points, err)
	}
	for k, want := range []float64{1, 1. / 3, 1. / 8} {
		if got := points[k].Layers[0].Spectrum.Rank; got != k+1 {
			t.Errorf("rank of the mean of %d: %d", k+1, got)
		}
		if math.Abs(*points[k].Loss-want) > 1e-7 {
			t.Errorf("loss of the mean of %d: %v", k+1, *points[k].Loss)
		}
	}
	if *points[2].Accuracy != 5./8 {
		t.Errorf("accuracy %v", *points[2].Accuracy)
	}
	failing := errors.New("no data")
	if _, err := Curve(t.Context(), meter(net, func([]float32) (float64, float64, error) { return 0, 0, failing }), weights, models); !errors.Is(err, failing) {
		t.Errorf("error %v", err)
	}
}

func TestMomentAgainstTwin(t *testing.T) {
	net := newNetwork(t, relu.MLP{Input: 3, Hidden: []int{4}, Output: 2, Norm: relu.BatchNorms}.Layers(), 3)
	models, weights := [][]float32{random(net, 5), random(net, 6), random(net, 7)}, []float64{1, 1, 2}
	m, err := At(t.Context(), meter(net, nil), weights, models)
	if err != nil {
		t.Fatal(err)
	}
	v, square, local := 0.0, 0.0, 0.0
	for i := range net.Layout().Len() {
		view := net.Layout().At(i)
		if view.Buffer {
			continue
		}
		norms := make([]float64, 4)
		for j := view.Offset; j < view.Offset+view.Size; j++ {
			x := []float64{float64(models[0][j]), float64(models[1][j]), float64(models[2][j])}
			mean := (x[0] + x[1] + 2*x[2]) / 4
			square += mean * mean
			norms[3] += mean * mean
			for k, p := range weights {
				v += p / 4 * (x[k] - mean) * (x[k] - mean)
				norms[k] += x[k] * x[k]
			}
		}
		if i == 0 {
			local = (math.Sqrt(norms[0]) + math.Sqrt(norms[1]) + 2*math.Sqrt(norms[2])) / 4 / math.Sqrt(norms[3])
		}
	}
	for what, c := range map[string][2]float64{
		"V": {m.Divergence, v}, "relative": {*m.DivergenceRel, math.Sqrt(v / square)}, "kappa": {*m.Cancellation[0], local},
	} {
		if math.Abs(c[0]-c[1]) > 1e-6*c[1] {
			t.Errorf("%s: %v, want %v", what, c[0], c[1])
		}
	}
	if len(m.Locals) != 3 || m.Average.Loss != nil || len(m.Average.Layers) != 2 {
		t.Errorf("%+v", m)
	}
	zero := make([]float32, net.Parameters())
	if m, err := At(t.Context(), meter(net, nil), []float64{1}, [][]float32{zero}); err != nil || m.DivergenceRel != nil || m.Cancellation[0] != nil {
		t.Errorf("%+v, %v", m, err)
	}
}
