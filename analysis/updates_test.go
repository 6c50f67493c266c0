package analysis

import (
	"errors"
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func updatesOf(t testing.TB, layout *tensor.Layout, start []float32, ends [][]float32, p []float64) *Updates {
	t.Helper()
	mean := make([]float64, len(start))
	for k, end := range ends {
		for i, v := range end {
			mean[i] += p[k] * float64(v)
		}
	}
	var updates []Update
	for k, end := range ends {
		u, err := CompareUpdate(k, layout, start, end, toFloat32(mean))
		if err != nil {
			t.Fatal(err)
		}
		u.Weight = 40 * p[k]
		updates = append(updates, u)
	}
	got, err := CombineUpdates(updates)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Against the definitions with whole vectors, and V = (diversity - 1) ||d||^2 against its own definition.
func TestUpdatesAgainstTwin(t *testing.T) {
	layout := blockyLayout(t)
	p := []float64{0.5, 0.3, 0.2}
	start := toFloat32(gaussian(300, 1, layout.Size()))
	ends := make([][]float32, 3)
	mean := make([]float64, layout.Size())
	for k := range ends {
		ends[k] = toFloat32(gaussian(uint64(301+k), 1, layout.Size()))
		for i := 1201; i < 1201+33; i++ { // the buffer does not count: equal, it adds nothing to the twin
			start[i], ends[k][i] = 0, 0
		}
		for i, v := range ends[k] {
			mean[i] += p[k] * float64(v)
		}
	}
	got := updatesOf(t, layout, start, ends, p)
	d := minus(toFloat64(toFloat32(mean)), toFloat64(start))
	cosine, norms, squares, v := 0.0, 0.0, 0.0, 0.0
	for k, end := range ends {
		dk := minus(toFloat64(end), toFloat64(start))
		c := dot(dk, d) / (norm(dk) * norm(d))
		near(t, "cosine of a shard", *got.Cosines[k], c, 1e-12)
		cosine += p[k] * c
		norms += p[k] * norm(dk)
		squares += p[k] * dot(dk, dk)
		apart := minus(toFloat64(end), mean)
		v += p[k] * dot(apart, apart)
	}
	near(t, "cosine", *got.Cosine, cosine, 1e-12)
	near(t, "diversity", *got.Diversity, squares/dot(d, d), 1e-12)
	near(t, "norm ratio", *got.NormRatio, norm(d)/norms, 1e-12)
	near(t, "V", (*got.Diversity-1)*dot(d, d), v, 1e-6) // the mean is rounded to float32
}

func TestUpdatesOfKnownShape(t *testing.T) {
	layout := newLayout(t, tensor.Desc{Name: "w", Shape: []int{4}})
	start, p := make([]float32, 4), []float64{0.25, 0.25, 0.25, 0.25}
	orthogonal := [][]float32{{2, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 2, 0}, {0, 0, 0, 2}}
	got := updatesOf(t, layout, start, orthogonal, p)
	near(t, "diversity of orthogonal updates", *got.Diversity, 4, 1e-15)
	near(t, "their cosine", *got.Cosine, 0.5, 1e-15)
	near(t, "their norm ratio", *got.NormRatio, 0.5, 1e-15)

	equal := [][]float32{{1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4}}
	got = updatesOf(t, layout, start, equal, p)
	if *got.Diversity != 1 || *got.Cosine != 1 || *got.NormRatio != 1 {
		t.Errorf("equal updates: %+v", got)
	}
	got = updatesOf(t, layout, start, [][]float32{{1, 0, 0, 0}, {-1, 0, 0, 0}}, []float64{0.5, 0.5})
	if got.Diversity != nil || got.Cosine != nil || *got.NormRatio != 0 {
		t.Errorf("cancelling updates: %+v", got)
	}
	got = updatesOf(t, layout, start, [][]float32{start}, []float64{1})
	if got.Diversity != nil || got.Cosine != nil || got.NormRatio != nil {
		t.Errorf("no movement: %+v", got)
	}
}

func TestCombineUpdatesRefuses(t *testing.T) {
	good := Update{Shard: 1, Weight: 1, Norm: 1, Mean: 1, Dot: 1}
	for name, spoil := range map[string]func(*Update){
		"twice": func(u *Update) { u.Shard = 1 }, "weight": func(u *Update) { u.Weight = 0 },
		"NaN": func(u *Update) { u.Dot = math.NaN() }, "huge": func(u *Update) { u.Norm = 1e60 },
		"another mean": func(u *Update) { u.Mean = 2 },
	} {
		bad := good
		bad.Shard = 2
		spoil(&bad)
		if _, err := CombineUpdates([]Update{good, bad}); !errors.Is(err, ErrSamples) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := CombineUpdates(nil); !errors.Is(err, ErrSamples) {
		t.Errorf("none: %v", err)
	}
	layout := newLayout(t, tensor.Desc{Name: "w", Shape: []int{1}})
	if _, err := CompareUpdate(0, layout, []float32{0}, []float32{float32(math.Inf(1))}, []float32{0}); !errors.Is(err, ErrNotFinite) {
		t.Errorf("infinite end: %v", err)
	}
}
