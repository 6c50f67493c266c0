package kernel

import (
	"testing"

	"pgregory.net/rapid"
)

// columnsCase is what the methods of Columns start from.
type columnsCase[F Float] struct {
	n, rows    int
	x, hat     []F
	a, b, c    []float64
	weight, at []F
}

func drawColumns[F Float](t *rapid.T) *columnsCase[F] {
	k := &columnsCase[F]{n: rapid.IntRange(1, 35).Draw(t, "features"), rows: rapid.IntRange(1, 20).Draw(t, "rows")}
	k.x, k.hat = drawNumbers[F](t, "x", k.n*k.rows), drawNumbers[F](t, "hat", k.n*k.rows)
	k.a, k.b, k.c = drawNumbers[float64](t, "a", k.n), drawNumbers[float64](t, "b", k.n), drawNumbers[float64](t, "c", k.n)
	k.weight, k.at = drawNumbers[F](t, "weight", k.n), drawNumbers[F](t, "bias", k.n)
	return k
}

// fresh returns Columns and a place for results.
func (k *columnsCase[F]) fresh() (c *Columns[F], y, hat []F) {
	clone := func(x []float64) []float64 { return append([]float64(nil), x...) }
	c = &Columns[F]{A: clone(k.a), B: clone(k.b), C: clone(k.c), Weight: k.weight, Bias: k.at}
	return c, append([]F(nil), k.x...), append([]F(nil), k.hat...)
}

func (k *columnsCase[F]) check(t *rapid.T) {
	a, b, moved, y, hat := make([]float64, k.n), make([]float64, k.n), make([]F, len(k.x)), make([]F, len(k.x)), make([]F, len(k.x))
	squares := append([]float64(nil), k.a...)
	copy(a, k.a)
	copy(b, k.b)
	for i, x := range k.x {
		f, v, h := i%k.n, float64(x), float64(k.hat[i])
		a[f] += v
		squares[f] += float64((v - k.b[f]) * (v - k.b[f]))
		b[f] += float64(v * h)
		hat[i] = F((v - k.a[f]) * k.b[f])
		y[i] = F(hat[i]*k.weight[f]) + k.at[f]
		moved[i] = F((v - (k.a[f] + float64(h*k.b[f]))) * k.c[f])
	}
	c, x, _ := k.fresh()
	c.Sum(x)
	sameBits(t, "sums", c.A, a)
	c, x, _ = k.fresh()
	c.Squares(x)
	sameBits(t, "squares", c.A, squares)
	c, x, gotHat := k.fresh()
	c.Gradients(x, gotHat)
	sameBits(t, "sums of the gradient", c.A, a)
	sameBits(t, "sums of products", c.B, b)
	c.A, c.B = k.a, k.b
	c.Back(x, gotHat)
	sameBits(t, "gradient", x, moved)
	c, x, gotHat = k.fresh()
	gotY := make([]F, len(x))
	c.Normalise(gotY, gotHat, x)
	sameBits(t, "normalised", gotHat, hat)
	sameBits(t, "y", gotY, y)
}

func checkColumns[F Float](t *rapid.T) {
	k := drawColumns[F](t)
	for _, name := range Available() {
		if err := Use(name); err != nil {
			t.Fatal(err)
		}
		k.check(t)
	}
}

func TestColumnsEqualNaiveLoops(t *testing.T) {
	before := InUse()
	defer func() { _ = Use(before) }()
	t.Run("float32", rapid.MakeCheck(checkColumns[float32]))
	t.Run("float64", rapid.MakeCheck(checkColumns[float64]))
}
