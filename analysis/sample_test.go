package analysis

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// randomPoint holds standard normal params and gradient for a layout.
func randomPoint(key uint64, layout *tensor.Layout) Point {
	return Point{
		Params:   toFloat32(gaussian(2*key, 1, layout.Size())),
		Gradient: toFloat32(gaussian(2*key+1, 1, layout.Size())),
	}
}

// Sizes around the length of the blocks of a sum.
func blockyLayout(t testing.TB) *tensor.Layout {
	return newLayout(t,
		tensor.Desc{Name: "0.weight", Shape: []int{40, 30}},
		tensor.Desc{Name: "0.bias", Shape: []int{1}},
		tensor.Desc{Name: "1.running_mean", Shape: []int{33}, Buffer: true},
		tensor.Desc{Name: "2.weight", Shape: []int{2, sumBlock}},
		tensor.Desc{Name: "2.bias", Shape: []int{sumBlock - 1}},
	)
}

func TestCompareAgainstTwin(t *testing.T) {
	layout := blockyLayout(t)
	end, model := randomPoint(50, layout), randomPoint(51, layout)
	got, err := Compare(3, layout, end, model)
	if err != nil {
		t.Fatal(err)
	}
	params := func(block []float32) []float64 {
		values := toFloat64(block)
		for i, buffer := 1201, 1201+33; i < buffer; i++ { // buffers do not count
			values[i] = 0
		}
		return values
	}
	ge, gm := params(end.Gradient), params(model.Gradient)
	distance := norm(minus(params(end.Params), params(model.Params)))
	// Both are float64 sums of 4,000 terms in different orders.
	near(t, "drift", got.Drift, norm(minus(ge, gm)), 1e-13)
	near(t, "norm at the end", got.NormEnd, norm(ge), 1e-13)
	near(t, "norm at the model", got.NormModel, norm(gm), 1e-13)
	near(t, "cosine", got.Cosine, dot(ge, gm)/(norm(ge)*norm(gm)), 1e-11)
	near(t, "divergence", got.Divergence, distance*distance, 1e-13)
	near(t, "norm of the model", got.NormModelParams, norm(params(model.Params)), 1e-13)
	lipschitz, _ := got.Lipschitz()
	near(t, "Lipschitz estimate", lipschitz, norm(minus(ge, gm))/distance, 1e-13)
}

// The numbers are written into records by whoever measures, so their last bits must be the same on every machine: raise the
// numerics version when this test has to change.
func TestCompareGolden(t *testing.T) {
	layout := blockyLayout(t)
	s, err := Compare(3, layout, randomPoint(50, layout), randomPoint(51, layout))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%x %x %x %x %x %x", s.Drift, s.NormEnd, s.NormModel, s.Cosine, s.Divergence, s.NormModelParams)
	if want := "0x1.748e842293c53p+06 0x1.06715ed2a7918p+06 0x1.04e766637e97cp+06 -0x1.bb002ecda308ep-07 " +
		"0x1.0e8e3320072a3p+13 0x1.069f7091667ddp+06"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCompareOfSpecialGradients(t *testing.T) {
	layout := newLayout(t, tensor.Desc{Name: "w", Shape: []int{3}})
	for _, c := range []struct {
		name       string
		end, model []float32
		drift, cos float64
		hasCosine  bool
	}{
		{"opposite", []float32{1, 2, 3}, []float32{-1, -2, -3}, 2 * math.Sqrt(14), -1, true},
		{"parallel", []float32{0.1, 0.2, 0.3}, []float32{0.7, 1.4, 2.1}, 0.6 * math.Sqrt(14), 1, true},
		{"orthogonal", []float32{3, 0, 0}, []float32{0, 4, 0}, 5, 0, true},
		{"zero at the end", []float32{0, 0, 0}, []float32{0, 4, 0}, 4, 0, false},
		{"zero at the model", []float32{0, 4, 0}, []float32{0, 0, 0}, 4, 0, false},
		{"smallest", []float32{1e-45, 0, 0}, []float32{-1e-45, 0, 0}, 2 * math.SmallestNonzeroFloat32, -1, true},
		{"largest", []float32{math.MaxFloat32, 0, 0}, []float32{-math.MaxFloat32, 0, 0}, 2 * math.MaxFloat32, -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			params := make([]float32, 3)
			s, err := Compare(0, layout, Point{params, c.end}, Point{params, c.model})
			if err != nil {
				t.Fatal(err)
			}
			near(t, "drift", s.Drift, c.drift, 1e-7)
			if math.Abs(s.Cosine-c.cos) > 1e-7 || math.Abs(s.Cosine) > 1 || s.HasCosine() != c.hasCosine {
				t.Errorf("cosine %v, exists %v, want %v, %v", s.Cosine, s.HasCosine(), c.cos, c.hasCosine)
			}
		})
	}
}

func TestCompareNamesWhatIsNotFinite(t *testing.T) {
	layout := newLayout(t, tensor.Desc{Name: "w", Shape: []int{2}}, tensor.Desc{Name: "b", Shape: []int{1}, Buffer: true})
	points := func() (end, model Point) {
		return Point{make([]float32, 3), make([]float32, 3)}, Point{make([]float32, 3), make([]float32, 3)}
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for want, spoil := range map[string]func(end, model Point){
			"params at the end":     func(end, _ Point) { end.Params[1] = bad },
			"params of the model":   func(_, model Point) { model.Params[0] = bad },
			"gradient at the end":   func(end, _ Point) { end.Gradient[0] = bad },
			"gradient at the model": func(_, model Point) { model.Gradient[1] = bad },
		} {
			end, model := points()
			spoil(end, model)
			s, err := Compare(12, layout, end, model)
			if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "shard 12") || s != (Sample{}) {
				t.Errorf("%v in the %s: %+v, %v", bad, want, s, err)
			}
		}
		end, model := points()
		end.Params[2], model.Gradient[2] = bad, bad
		if _, err := Compare(12, layout, end, model); err != nil {
			t.Errorf("%v in a buffer: %v", bad, err)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	layout := newLayout(b, tensor.Desc{Name: "w", Shape: []int{199210}})
	end, model := randomPoint(60, layout), randomPoint(61, layout)
	b.SetBytes(int64(16 * layout.Size()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compare(0, layout, end, model); err != nil {
			b.Fatal(err)
		}
	}
}
