package noise

import (
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func near(t testing.TB, what string, got *float64, want, relative float64) {
	t.Helper()
	if got == nil || !(math.Abs(*got-want) <= relative*math.Abs(want)) {
		t.Errorf("%s: %v, want %v within %g", what, got, want, relative)
	}
}

func normal(key uint64, n int) []float32 {
	stream := keyed.New(1, "noise test", key)
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(stream.Normal())
	}
	return v
}

func newLayout(t testing.TB) *tensor.Layout {
	t.Helper()
	layout, err := tensor.NewLayout([]tensor.Desc{
		{Name: "0.weight", Shape: []int{2, 2}}, {Name: "0.bias", Shape: []int{2}}, {Name: "1.mean", Shape: []int{1}, Buffer: true},
		{Name: "2.weight", Shape: []int{1, 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return layout
}

func TestChangesByHand(t *testing.T) {
	layout := newLayout(t)
	before := []float32{1, 2, 2, 4, 0, 0, 9, 3, 4}
	after := []float32{1, 2, 5, 8, 0, 12, 1, 3, 3}
	changes := Changes(layout, before, after)
	if len(changes) != 2 || changes[0].Name != "0.weight" || changes[1].Name != "2.weight" {
		t.Fatalf("%+v", changes)
	}
	near(t, "first", changes[0].Relative, 1, 1e-15)
	near(t, "second", changes[1].Relative, 0.2, 1e-15)
	near(t, "Dist", Dist(changes), 0.6, 1e-15)
	near(t, "whole", Whole(layout, before, after), math.Sqrt(9+16+144+1)/math.Sqrt(25+25), 1e-15)
	var s Steps
	s.Add(changes)
	s.Add(Changes(layout, before, before))
	before[7], before[8] = 0, 0
	third := Changes(layout, before, after)
	if third[1].Relative != nil || Dist(third) != nil || Dist(nil) != nil {
		t.Error("a change relative to 0")
	}
	s.Add(third)
	near(t, "mean of three steps", s.Mean()[0].Relative, 2./3, 1e-15)
	near(t, "mean of the two steps that have one", s.Mean()[1].Relative, 0.1, 1e-15)
	after[0] = float32(math.Inf(1))
	if Changes(layout, before, after)[0].Relative != nil || Whole(layout, before, after) != nil {
		t.Error("an infinite change")
	}
}

func TestSpreadAgainstTwin(t *testing.T) {
	const size = 300
	s := NewSpread(size)
	var gradients [][]float32
	mean := make([]float64, size)
	for i := range Batches {
		g := normal(uint64(i), size)
		for j := range g {
			g[j] += 2
			mean[j] += float64(g[j]) / Batches
		}
		gradients = append(gradients, g)
		s.Add(g)
	}
	spread, square := 0.0, 0.0
	for _, g := range gradients {
		for j, v := range g {
			d := float64(v) - mean[j]
			spread += d * d / (Batches - 1)
		}
	}
	for _, v := range mean {
		square += v * v
	}
	got := s.Noise(5)
	near(t, "spread", &got.Spread, spread, 1e-12)
	near(t, "square of the mean", &got.Mean, square, 1e-12)
	near(t, "scale", got.Scale, 5*spread/(square-spread/8), 1e-12)
	near(t, "spread of a known variance", &got.Spread, size, 0.1)

	if NewSpread(3).Noise(1) != nil {
		t.Error("nothing has noise")
	}
	noise := NewSpread(1)
	noise.Add([]float32{1})
	noise.Add([]float32{-1})
	if n := noise.Noise(1); n.Spread != 2 || n.Mean != 0 || n.Scale != nil {
		t.Errorf("pure noise: %+v", n)
	}
}

func TestDraw(t *testing.T) {
	batches := Draw(1, 2, 3, 10, 4)
	counts := map[int32]int{}
	for i, b := range batches {
		if len(b) != 4 || !slices.IsSorted(b) || len(slices.Compact(slices.Clone(b))) != 4 {
			t.Errorf("batch %d: %v", i, b)
		}
		for _, e := range b {
			counts[e]++
		}
	}
	if len(counts) < 8 {
		t.Errorf("32 draws meet %d of 10 examples", len(counts))
	}
	if again := Draw(1, 2, 3, 10, 4); !slices.Equal(again[7], batches[7]) {
		t.Error("another draw with the same key")
	}
	if all := Draw(1, 2, 3, 3, 4)[5]; !slices.Equal(all, []int32{0, 1, 2}) {
		t.Errorf("a small shard: %v", all)
	}
}

func TestFluctuationAgainstTwin(t *testing.T) {
	var f Fluctuation
	if f.Deviations() != nil || f.Relative() != nil {
		t.Error("nothing fluctuates")
	}
	const steps = 50
	var values [3][]float64
	for step := range steps {
		draw := normal(uint64(100+step), 3)
		s := []float64{1000 + float64(draw[0]), 10 + 0.1*float64(draw[1]), 1}
		f.Add(s)
		for i, v := range s {
			values[i] = append(values[i], v)
		}
	}
	variances, squares := 0.0, 0.0
	for i, v := range values {
		mean, variance := 0.0, 0.0
		for _, x := range v {
			mean += x
		}
		mean /= steps
		for _, x := range v {
			variance += (x - mean) * (x - mean) / steps
		}
		got := f.Deviations()[i]
		near(t, "deviation", &got, math.Sqrt(variance), 1e-10)
		variances, squares = variances+variance, squares+mean*mean
	}
	near(t, "relative", f.Relative(), math.Sqrt(variances/squares), 1e-10)
}
