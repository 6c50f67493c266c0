package analysis

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func newLayout(t testing.TB, descs ...tensor.Desc) *tensor.Layout {
	t.Helper()
	layout, err := tensor.NewLayout(descs)
	if err != nil {
		t.Fatal(err)
	}
	return layout
}

func place(layout *tensor.Layout, block []float32, name string, values []float32) {
	view, _ := layout.Lookup(name)
	copy(tensor.Of(block, view), values)
}

func measureLayers(t testing.TB, layout *tensor.Layout, block []float32, opts RankOptions) []Layer {
	t.Helper()
	layers, err := new(Workspace).Layers(t.Context(), layout, block, opts)
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

func TestLayers(t *testing.T) {
	layout := newLayout(t,
		tensor.Desc{Name: "0.weight", Shape: []int{4, 1, 2, 3}},
		tensor.Desc{Name: "0.bias", Shape: []int{4}},
		tensor.Desc{Name: "1.table", Shape: []int{3, 3}, Buffer: true},
		tensor.Desc{Name: "2.weight", Shape: []int{20, 30}},
		tensor.Desc{Name: "4.weight", Shape: []int{3, 5}},
		tensor.Desc{Name: "6.weight", Shape: []int{5, 3}},
		tensor.Desc{Name: "8.weight", Shape: []int{2, 2}},
		tensor.Desc{Name: "10.weight", Shape: []int{10, 12}},
	)
	block := make([]float32, layout.Size())
	place(layout, block, "0.weight", withSpectrum(1, 4, 6, []float64{1, 0.04, 0.005, 0.0005}))
	for i := range 3 { // rank one
		place(layout, block[i*5:], "4.weight", []float32{1, 2, 3, 4, 5})
	}
	place(layout, block, "6.weight", []float32{1, 2, float32(math.NaN())})
	place(layout, block, "10.weight", []float32{1e-10, 2e-10})
	before := slices.Clone(block)

	layers := measureLayers(t, layout, block, RankOptions{Epsilon: 0.02, MaxSide: 19})

	var names []string
	for _, layer := range layers {
		names = append(names, layer.Name)
		if (layer.Spectrum == nil) == (layer.Reason == "") {
			t.Errorf("%s: needs either numbers or a reason: %+v", layer.Name, layer)
		}
	}
	if want := []string{"0.weight", "2.weight", "4.weight", "6.weight", "8.weight", "10.weight"}; !slices.Equal(names, want) {
		t.Fatalf("layers %v, want %v", names, want)
	}
	if got := layers[0].Spectrum; got.Rank != 2 || got.Ranks != [3]int{3, 2, 1} || len(got.Top) != 4 || !slices.Equal(layers[0].Shape, []int{4, 1, 2, 3}) {
		t.Errorf("convolution: %+v %+v", layers[0], got)
	}
	if want := "smaller side 20 exceeds max_side 19"; layers[1].Reason != want {
		t.Errorf("large layer: %q, want %q", layers[1].Reason, want)
	}
	if got := layers[2].Spectrum; got.Ranks != [3]int{1, 1, 1} {
		t.Errorf("rank one: %+v", got)
	} else {
		near(t, "Frobenius norm", got.Frobenius, math.Sqrt(165), 1e-14)
		near(t, "spectral norm", got.Spectral, math.Sqrt(165), 1e-14)
		near(t, "effective rank", got.EffectiveRank, 1, 1e-12)
	}
	if !strings.Contains(layers[3].Reason, "not finite") {
		t.Errorf("NaN: %+v", layers[3])
	}
	if got := layers[4].Spectrum; got.Ranks != [3]int{} || got.StableRank != 0 || got.EffectiveRank != 0 || got.Frobenius != 0 || layers[4].Warning != "" {
		t.Errorf("zero: %+v", layers[4])
	}
	if !strings.Contains(layers[5].Warning, "1e-09") || layers[2].Warning != "" {
		t.Errorf("tiny values: %+v", layers[5])
	}
	if tensor.HashBlock(block) != tensor.HashBlock(before) {
		t.Error("the block was changed")
	}
}

// stopAfter is a context that ends when it was asked calls times.
type stopAfter struct {
	context.Context
	calls int
}

func (c *stopAfter) Err() error {
	if c.calls--; c.calls < 0 {
		return context.Canceled
	}
	return nil
}

func TestLayersStopsBetweenLayers(t *testing.T) {
	layout := newLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{2, 2}}, tensor.Desc{Name: "2.weight", Shape: []int{2, 2}})
	for calls := range 2 {
		layers, err := new(Workspace).Layers(&stopAfter{t.Context(), calls}, layout, make([]float32, 8), RankOptions{})
		if !errors.Is(err, context.Canceled) || layers != nil {
			t.Errorf("after %d layers: %v, %v", calls, layers, err)
		}
	}
	if layers, err := new(Workspace).Layers(&stopAfter{t.Context(), 2}, layout, make([]float32, 8), RankOptions{}); err != nil || len(layers) != 2 {
		t.Errorf("both layers: %v, %v", layers, err)
	}
}

// Hidden units have no order: permuting them, rows of one weight and columns of the next, moves nothing that is measured.
func TestRanksIgnoreTheOrderOfUnits(t *testing.T) {
	const in, hidden, out = 30, 25, 10
	layout := newLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{hidden, in}}, tensor.Desc{Name: "2.weight", Shape: []int{out, hidden}})
	block := toFloat32(gaussian(20, 1, layout.Size()))
	permuted := make([]float32, layout.Size())
	first, second := layout.At(0), layout.At(1)
	for to, from := range keyed.New(1, "permutation").Perm(hidden) {
		copy(tensor.Of(permuted, first)[to*in:(to+1)*in], tensor.Of(block, first)[int(from)*in:])
		for row := range out {
			tensor.Of(permuted, second)[row*hidden+to] = tensor.Of(block, second)[row*hidden+int(from)]
		}
	}
	want := measureLayers(t, layout, block, RankOptions{Epsilon: 0.1})
	for i, layer := range measureLayers(t, layout, permuted, RankOptions{Epsilon: 0.1}) {
		got, want := layer.Spectrum, want[i].Spectrum
		if got.Rank != want.Rank || got.Ranks != want.Ranks {
			t.Errorf("%s: ranks %d %v, want %d %v", layer.Name, got.Rank, got.Ranks, want.Rank, want.Ranks)
		}
		near(t, "stable rank", got.StableRank, want.StableRank, 1e-12)
		near(t, "effective rank", got.EffectiveRank, want.EffectiveRank, 1e-12)
		if worst := maxDifference(got.Top, want.Top); worst > 1e-12*want.Spectral {
			t.Errorf("%s: top values off by %g", layer.Name, worst)
		}
	}
}

func BenchmarkLayers(b *testing.B) {
	layout := newLayout(b, tensor.Desc{Name: "0.weight", Shape: []int{200, 784}},
		tensor.Desc{Name: "2.weight", Shape: []int{200, 200}}, tensor.Desc{Name: "4.weight", Shape: []int{10, 200}})
	block := toFloat32(gaussian(21, 1, layout.Size()))
	var w Workspace
	for b.Loop() {
		if _, err := w.Layers(b.Context(), layout, block, RankOptions{Epsilon: 0.001, MaxSide: 1024}); err != nil {
			b.Fatal(err)
		}
	}
}
