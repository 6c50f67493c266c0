package analysis

import (
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// halves returns gradients of shards that differ by known vectors, each half with noise of its own.
func halves(key uint64, shards, size int, apart, noise float64) (a, b [][]float32, zeta2 float64) {
	p := 1 / float64(shards)
	mean, own := make([]float64, size), make([][]float64, shards)
	for k := range shards {
		own[k] = gaussian(key+uint64(k), 1, size)
		for i := range own[k] {
			own[k][i] *= apart / math.Sqrt(float64(size))
			mean[i] += p * own[k][i]
		}
	}
	for k := range shards {
		d := minus(own[k], mean)
		zeta2 += p * dot(d, d)
		a = append(a, noisy(key+100+uint64(k), own[k], noise))
		b = append(b, noisy(key+200+uint64(k), own[k], noise))
	}
	return a, b, zeta2
}

func noisy(key uint64, v []float64, noise float64) []float32 {
	draws := gaussian(key, 1, len(v))
	for i := range draws {
		draws[i] = v[i] + noise/math.Sqrt(float64(len(v)))*draws[i]
	}
	return toFloat32(draws)
}

func TestHeterogeneityAgainstTwin(t *testing.T) {
	const size = 500
	a, b, _ := halves(400, 3, size, 1, 1)
	p := []float64{0.2, 0.3, 0.5}
	h := NewHeterogeneity(size)
	meanA, meanB := make([]float64, size), make([]float64, size)
	for k := range p {
		h.Add(7*p[k], a[k], b[k])
		for i := range size {
			meanA[i] += p[k] * float64(a[k][i])
			meanB[i] += p[k] * float64(b[k][i])
		}
	}
	split, naive := 0.0, 0.0
	for k := range p {
		da, db := minus(toFloat64(a[k]), meanA), minus(toFloat64(b[k]), meanB)
		split += p[k] * dot(da, db)
		for i := range da {
			whole := (da[i] + db[i]) / 2
			naive += p[k] * whole * whole
		}
	}
	near(t, "split half", *h.SplitHalf(), split, 1e-12)
	near(t, "naive", *h.Naive(), naive, 1e-12)
	if empty := NewHeterogeneity(1); empty.SplitHalf() != nil || empty.Naive() != nil {
		t.Error("nothing was measured, and there is a number")
	}
}

// Split halves find the heterogeneity under the sampling noise, where the naive form finds the noise; sketches find it within
// their stated error.
func TestHeterogeneityUnderNoise(t *testing.T) {
	const size, shards = 20000, 8
	layout := newLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{100, 100}}, tensor.Desc{Name: "1.weight", Shape: []int{100, 100}})
	for _, apart := range []float64{0, 1} {
		a, b, want := halves(500, shards, size, apart, 3)
		h, sketched := NewHeterogeneity(size), NewHeterogeneity(2*SketchSize)
		for k := range shards {
			h.Add(1, a[k], b[k])
			sketched.Add(1, Sketch(5, layout, a[k]), Sketch(5, layout, b[k]))
		}
		// The noise of <a_k - abar, b_k - bbar> is 9/sqrt(size) for one shard, that of its sketch 10/sqrt(4096/2), at most.
		within(t, "split half", *h.SplitHalf(), want, 4*9/math.Sqrt(size*shards))
		within(t, "sketch", *sketched.SplitHalf(), want, 4*(1+9)*math.Sqrt(2./SketchSize/shards))
		if naive := *h.Naive(); naive < want+3 {
			t.Errorf("naive %g does not show the noise", naive)
		}
	}
}

func TestSketchIsLinear(t *testing.T) {
	layout := blockyLayout(t)
	x, y := toFloat32(gaussian(600, 1, layout.Size())), toFloat32(gaussian(601, 1, layout.Size()))
	sum := make([]float32, len(x))
	for i := range sum {
		sum[i] = x[i] + y[i]
	}
	sx, sy, s := Sketch(1, layout, x), Sketch(1, layout, y), Sketch(1, layout, sum)
	for i := range s {
		within(t, "sketch of the sum", float64(s[i]), float64(sx[i])+float64(sy[i]), 1e-5)
	}
	if len(s) != 2*SketchSize {
		t.Errorf("%d numbers for two layers", len(s))
	}
}

func within(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %g, want %g +- %g", what, got, want, tolerance)
	}
}
