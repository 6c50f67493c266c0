package analysis

import (
	"errors"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func TestModules(t *testing.T) {
	layout := newLayout(t,
		tensor.Desc{Name: "0.weight", Shape: []int{2, 3}}, tensor.Desc{Name: "0.bias", Shape: []int{2}},
		tensor.Desc{Name: "1.weight", Shape: []int{2}}, tensor.Desc{Name: "1.bias", Shape: []int{2}},
		tensor.Desc{Name: "1.running_mean", Shape: []int{2}, Buffer: true},
		tensor.Desc{Name: "2.body.0.weight", Shape: []int{2, 2}},
		tensor.Desc{Name: "2.shortcut.0.weight", Shape: []int{2, 2}},
		tensor.Desc{Name: "alone", Shape: []int{4}},
	)
	var got []string
	for _, m := range Modules(layout) {
		for _, v := range m.Views {
			got = append(got, m.Name+"/"+v.Name)
		}
	}
	want := []string{"0/0.weight", "0/0.bias", "1/1.weight", "1/1.bias", "2.body.0/2.body.0.weight",
		"2.shortcut.0/2.shortcut.0.weight", "alone/alone"}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// Each layer is what Compare says of a model that consists of it alone, and the squares add up to those of the whole.
func TestCompareModules(t *testing.T) {
	layout := blockyLayout(t)
	end, model := randomPoint(60, layout), randomPoint(61, layout)
	whole, err := Compare(3, layout, end, model)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := CompareModules(3, layout, end, model)
	if err != nil || len(modules) != 2 {
		t.Fatalf("%d layers, %v", len(modules), err)
	}
	drift, divergence := 0.0, 0.0
	for i, cut := range [][2]int{{0, 1201}, {1201 + 33, layout.Size()}} {
		part := newLayout(t, tensor.Desc{Name: "all", Shape: []int{cut[1] - cut[0]}})
		alone, err := Compare(3, part, end.part(cut[0], cut[1]), model.part(cut[0], cut[1]))
		if err != nil {
			t.Fatal(err)
		}
		near(t, "drift", modules[i].Drift, alone.Drift, 1e-13)
		near(t, "cosine", modules[i].Cosine, alone.Cosine, 1e-12)
		drift += modules[i].Drift * modules[i].Drift
		divergence += modules[i].Divergence
	}
	near(t, "drift of all", math.Sqrt(drift), whole.Drift, 1e-13)
	near(t, "divergence of all", divergence, whole.Divergence, 1e-13)

	end.Gradient[1300] = float32(math.NaN())
	if _, err := CompareModules(3, layout, end, model); !errors.Is(err, ErrNotFinite) {
		t.Errorf("NaN in a gradient gives %v", err)
	}
}

func TestCombineModules(t *testing.T) {
	shards := make([][]ModuleSample, 3)
	for i, s := range handSamples() {
		double := s
		double.Drift *= 2
		shards[i] = []ModuleSample{{"0", s}, {"2", double}}
	}
	got, err := CombineModules(shards)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	want := combine(t, handSamples()...)
	near(t, "first layer", got[0].Drift.Drift, want.Drift, 1e-15)
	near(t, "second layer", got[1].Drift.Drift, 2*want.Drift, 1e-15)
	shards[1][1].Name = "4"
	if _, err := CombineModules(shards); !errors.Is(err, ErrSamples) {
		t.Errorf("different layers give %v", err)
	}
	if _, err := CombineModules(nil); !errors.Is(err, ErrSamples) {
		t.Errorf("no shard gives %v", err)
	}
}
