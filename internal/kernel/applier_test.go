package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// An Applier has the bits of SGD.Apply with every kernel, over pieces of every length.
func TestApplierIsApply(t *testing.T) {
	before := InUse()
	defer func() { _ = Use(before) }()
	for _, name := range Available() {
		if err := Use(name); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, checkApplier[float32])
			rapid.Check(t, checkApplier[float64])
		})
	}
}

func checkApplier[F Float](t *rapid.T) {
	var a Applier[F]
	for range 2 { // with memory of the first
		s := drawLayer[F](t).sgd
		n := rapid.IntRange(0, 200).Draw(t, "n")
		w, v, g := drawNumbers[F](t, "w", n), drawNumbers[F](t, "v", n), drawNumbers[F](t, "g", n)
		wantW, wantV, wantG := slices.Clone(w), slices.Clone(v), slices.Clone(g)
		if s.Momentum == 0 {
			v, wantV = nil, nil
		}
		a.Apply(&s, w, v, g)
		s.Apply(wantW, wantV, wantG)
		for i := range w {
			if !sameNumber(w[i], wantW[i]) || v != nil && !sameNumber(v[i], wantV[i]) || !sameNumber(g[i], wantG[i]) {
				t.Fatalf("element %d of %d differs", i, n)
			}
		}
	}
}

func sameNumber[F Float](a, b F) bool {
	return math.Float64bits(float64(a)) == math.Float64bits(float64(b))
}
