package shard

import (
	"fmt"
	"math"
	"testing"
)

func TestMeasureByHand(t *testing.T) {
	labels := []int32{0, 0, 1, 1, 2, 0}
	counts := Counts(Shards{{0, 1}, {2, 3, 4}, {5}}, labels, 3)
	if fmt.Sprint(counts) != "[[2 0 0] [0 2 1] [1 0 0]]" {
		t.Errorf("counts %v", counts)
	}
	h := Measure(counts)
	if h.MinSize != 1 || h.MaxSize != 3 || h.MeanSize != 2 || h.MedianSize != 2 || h.MeanClasses != 4.0/3 {
		t.Errorf("%+v", h)
	}
	// Only shard 1 has entropy, that of (2/3, 1/3). Each shard is 1/2 away from the pooled (1/2, 1/3, 1/6).
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"standard deviation", h.StdDev, math.Sqrt(2.0 / 3)},
		{"coefficient of variation", h.Variation, math.Sqrt(2.0/3) / 2},
		{"mean entropy", h.MeanEntropy, (math.Log(3) - 2.0/3*math.Log(2)) / 3},
		{"pooled entropy", h.PooledEntropy, math.Log(2)/2 + math.Log(3)/3 + math.Log(6)/6},
		{"total variation", h.MeanTotalVariation, 0.5},
	} {
		if math.Abs(c.got-c.want) > 1e-14 { // a few roundings of numbers near 1
			t.Errorf("%s %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestMeasureOfNothing(t *testing.T) {
	if h := Measure(nil); h != (Heterogeneity{}) {
		t.Errorf("no shards: %+v", h)
	}
	if h := Measure([][]int{{9}, {1}, {2}, {4}}); h.MedianSize != 3 || h.MeanEntropy != 0 {
		t.Errorf("sizes alone: %+v", h)
	}
	if h := Measure([][]int{{0}, {0}}); h.Variation != 0 || h.MedianSize != 0 {
		t.Errorf("empty shards: %+v", h)
	}
	if h := Measure([][]int{{0, 0}, {1, 1}}); h.MeanTotalVariation != 0 || h.MinSize != 0 || math.IsNaN(h.MeanEntropy) {
		t.Errorf("an empty shard: %+v", h)
	}
}
