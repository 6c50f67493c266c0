//go:build blas

package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// counting is a BLAS that counts what it is asked for.
type counting struct {
	blas.Float32
	calls int
}

// Sgemm has the parameters that BLAS gives it.
func (c *counting) Sgemm(ta, tb blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, to []float32, ldc int) {
	c.calls++
	c.Float32.Sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, to, ldc)
}

func TestBLASIsNeverChosenSilently(t *testing.T) {
	if slices.Contains(Available(), "blas") || InUse() == "blas" || Reordered == 0 {
		t.Errorf("in use is %s of %v, numerics by %d", InUse(), Available(), Reordered)
	}
	if err := Use("abacus"); err == nil || !strings.Contains(err.Error(), "blas") {
		t.Errorf("nobody learns of blas: %v", err)
	}
}

// A task's results by blas are those of the portable twin but for the order of sums.
func TestBLASAgreesWithThePortableKernel(t *testing.T) {
	before, own := InUse(), blas32.Implementation()
	counter := &counting{Float32: own}
	blas32.Use(counter)
	defer func() { blas32.Use(own); _ = Use(before) }()
	for _, shape := range [][3]int{{1, 1, 1}, {10, 784, 200}, {7, 33, 10}, {150, 70, 41}, {3, 256, 256}} {
		l := smoothLayer(shape[0], shape[1], shape[2])
		want := l.results(t, "portable")
		for i, got := range l.results(t, "blas") {
			if worst := deviation(got, want[i]); worst > 1e-5 {
				t.Errorf("%v: result %d is off by %g of its largest value", shape, i, worst)
			}
		}
	}
	if counter.calls < 5*4 {
		t.Errorf("BLAS was asked %d times", counter.calls)
	}
}

func smoothLayer(n, in, out int) *layer[float32] {
	r := rand.New(rand.NewPCG(uint64(n), uint64(in)))
	numbers := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	return &layer[float32]{n: n, in: in, out: out, x: numbers(n * in), w: numbers(out * in), bias: numbers(out),
		dy: numbers(n * out), mask: numbers(n * in), velocity: numbers(out * in), vbias: numbers(out),
		sgd: NewSGD[float32](0.1, 0.01, 0.9, true)}
}

// results are outputs, input gradient, gradient, weights and velocities after a step.
func (l *layer[F]) results(t *testing.T, name string) [][]F {
	if err := Use(name); err != nil {
		t.Fatal(err)
	}
	w, v := l.weights(), NewWeights[F](l.in, l.out, true)
	v.Load(l.velocity, l.vbias)
	w.Prepare(l.n, true)
	y, dx := make([]F, l.n*l.out+Slack), make([]F, l.n*l.in+Slack)
	w.Forward(y, l.inputs(), l.n, true)
	w.Backward(&Backward[F]{N: l.n, DY: l.padded(), DX: dx, Mask: append(slices.Clone(l.mask), make([]F, Slack)...)})
	_, rows, bias := w.Gradient(w.Panels()-1, l.inputs(), l.padded(), l.n)
	all := [][]F{y[:l.n*l.out], dx[:l.n*l.in], slices.Clone(rows), slices.Clone(bias)}
	w.Backward(&Backward[F]{N: l.n, DY: l.padded(), SGD: &l.sgd, X: l.inputs(), Velocity: v})
	for _, x := range []*Weights[F]{w, v} {
		weight, bias := make([]F, l.out*l.in), make([]F, l.out)
		x.Save(weight, bias)
		all = append(all, weight, bias)
	}
	return all
}

// deviation is the largest difference, as a share of the largest wanted value.
func deviation[F Float](got, want []F) float64 {
	var worst, largest float64
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i])-float64(want[i])))
		largest = max(largest, math.Abs(float64(want[i])))
	}
	return worst / max(largest, 1e-30)
}
