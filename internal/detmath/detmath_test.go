package detmath

import (
	"math"
	"math/big"
	"testing"
)

// sample returns numbers in [low, high): evenly spread ones, and ones spread by their exponents if low is positive.
func sample(n int, low, high float64) []float64 {
	xs := make([]float64, 0, 2*n)
	for i := range n {
		_, u := math.Modf(float64(i+1) * math.Phi) // multiples of the golden ratio spread evenly, and repeat nothing
		xs = append(xs, low+u*(high-low))
		if low > 0 {
			xs = append(xs, math.Exp2(math.Log2(low)+u*(math.Log2(high)-math.Log2(low))))
		}
	}
	return xs
}

// worst checks f against the oracle and prints the largest error seen.
func worst(t *testing.T, xs []float64, bound float64, f func(float64) float64, oracle func(float64) *big.Float) {
	t.Helper()
	at, largest := 0.0, 0.0
	for _, x := range xs {
		if e := ulps(f(x), oracle(x)); !(e <= largest) {
			at, largest = x, e
		}
	}
	t.Logf("worst error of %d: %.3f ulp at %v", len(xs), largest, at)
	if !(largest <= bound) {
		t.Errorf("error of %.3f ulp at %v, allowed %v", largest, at, bound)
	}
}

// The bounds are those of the functions' documentation.
func TestExpIsAccurate(t *testing.T) {
	oracle := func(x float64) *big.Float { return bigExp(exact(x)) }
	for name, xs := range map[string][]float64{
		"softmax":    sample(1500, -40, 0),
		"everything": sample(1500, -708, 709),
		"near zero":  sample(500, 1e-300, 1),
		"subnormal":  sample(300, -745, -708.5),
	} {
		t.Run(name, func(t *testing.T) { worst(t, xs, 1, Exp, oracle) })
	}
}

func TestLogIsAccurate(t *testing.T) {
	oracle := func(x float64) *big.Float { return bigLog(exact(x)) }
	for name, xs := range map[string][]float64{
		"uniform draws": sample(300, 1e-16, 1),
		"near one":      sample(300, 0.9, 1.1),
		"everything":    sample(500, 5e-324, 1e308),
	} {
		t.Run(name, func(t *testing.T) { worst(t, xs, 1, Log, oracle) })
	}
}

func TestLog1pIsAccurate(t *testing.T) {
	oracle := func(x float64) *big.Float { return bigLog(newBig().Add(newBig().SetInt64(1), exact(x))) }
	for name, xs := range map[string][]float64{
		"positive": sample(300, 1e-20, 1e10),
		"negative": sample(300, -0.999, 0),
	} {
		t.Run(name, func(t *testing.T) { worst(t, xs, 2, Log1p, oracle) })
	}
}

func TestSinCosTurnsIsAccurate(t *testing.T) {
	xs := append(sample(1000, -0.5, 0.5), sample(300, 1e-300, 0.125)...)
	t.Run("sin", func(t *testing.T) {
		worst(t, xs, 1, func(x float64) float64 { s, _ := SinCosTurns(x); return s },
			func(x float64) *big.Float { s, _ := bigSinCosTurns(x); return s })
	})
	t.Run("cos", func(t *testing.T) {
		worst(t, xs, 1, func(x float64) float64 { _, c := SinCosTurns(x); return c },
			func(x float64) *big.Float { _, c := bigSinCosTurns(x); return c })
	})
}

func TestPowIsAccurate(t *testing.T) {
	for name, c := range map[string]struct {
		xs []float64
		y  float64
	}{
		"decay":           {sample(200, 0.9, 0.9999), 1000},
		"square":          {sample(200, 1e-3, 1e3), 2},
		"root":            {sample(200, 1e-300, 1e300), 0.5},
		"inverse":         {sample(200, 1e-3, 1e3), -1},
		"large exponents": {sample(200, 0.5, 2), 700.25},
		"largest results": {sample(200, 1e10, 1e16), 19},
	} {
		oracle := func(x float64) *big.Float {
			l := bigLog(exact(x))
			return bigExp(l.Mul(l, exact(c.y)))
		}
		t.Run(name, func(t *testing.T) {
			worst(t, c.xs, 1, func(x float64) float64 { return Pow(x, c.y) }, oracle)
		})
	}
}

func same(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

func TestSpecialValues(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	sin := func(x float64) float64 { s, _ := SinCosTurns(x); return s }
	cos := func(x float64) float64 { _, c := SinCosTurns(x); return c }
	for _, c := range []struct {
		name    string
		f       func(float64) float64
		x, want float64
	}{
		{"exp 0", Exp, 0, 1},
		{"exp inf", Exp, inf, inf},
		{"exp -inf", Exp, -inf, 0},
		{"exp nan", Exp, nan, nan},
		{"exp overflow", Exp, 709.79, inf},
		{"exp largest", Exp, expOverflow, 0x1.fffffffffff2ap+1023},
		{"exp underflow", Exp, -746, 0},
		{"exp smallest", Exp, -745, 5e-324},
		{"log 0", Log, 0, -inf},
		{"log 1", Log, 1, 0},
		{"log -1", Log, -1, nan},
		{"log inf", Log, inf, inf},
		{"log nan", Log, nan, nan},
		{"log1p tiny", Log1p, 1e-300, 1e-300},
		{"log1p -1", Log1p, -1, -inf},
		{"log1p inf", Log1p, inf, inf},
		{"log1p -2", Log1p, -2, nan},
		{"sin 0", sin, 0, 0},
		{"sin 1/4", sin, 0.25, 1},
		{"sin 1/2", func(x float64) float64 { return math.Abs(sin(x)) }, 0.5, 0},
		{"sin 3/4", sin, 0.75, -1},
		{"sin 1e15+1/4", sin, 1e15 + 0.25, 1},
		{"sin inf", sin, inf, nan},
		{"cos 0", cos, 0, 1},
		{"cos 1/4", func(x float64) float64 { return math.Abs(cos(x)) }, 0.25, 0},
		{"cos 1/2", cos, 0.5, -1},
		{"cos -1/2", cos, -0.5, -1},
		{"cos nan", cos, nan, nan},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.f(c.x); !same(got, c.want) {
				t.Errorf("got %v (%x), want %v", got, got, c.want)
			}
		})
	}
}

func TestPowSpecialValues(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct{ x, y, want float64 }{
		{0, 0, 1}, {nan, 0, 1}, {1, nan, 1}, {1, inf, 1},
		{0, 2, 0}, {0, -2, inf}, {inf, 2, inf}, {inf, -2, 0},
		{2, inf, inf}, {0.5, inf, 0}, {2, -inf, 0}, {0.5, -inf, inf}, {0, inf, 0}, {0, -inf, inf},
		{nan, 1, nan}, {2, nan, nan}, {-8, 2, nan},
		{2, 10, 1024}, {2, -1074, 5e-324}, {10, 309, inf}, {10, -330, 0}, {3, 1, 3}, {7, 2, 49}, {0.25, 0.5, 0.5},
	} {
		if got := Pow(c.x, c.y); !same(got, c.want) {
			t.Errorf("Pow(%v, %v) = %v, want %v", c.x, c.y, got, c.want)
		}
	}
}

// One turn more or less changes nothing, and every sign and quadrant keeps to sin^2 + cos^2 = 1.
func TestSinCosTurnsIsPeriodic(t *testing.T) {
	for _, x := range sample(1000, -1, 1) {
		x = math.Round(x*1024) / 1024 // so that adding whole turns is exact
		s, c := SinCosTurns(x)
		s3, c3 := SinCosTurns(x + 3)
		if s != s3 || c != c3 {
			t.Fatalf("at %v: (%v, %v) and three turns on (%v, %v)", x, s, c, s3, c3)
		}
		if d := math.Abs(s*s + c*c - 1); d > 4e-16 {
			t.Fatalf("at %v: sin^2 + cos^2 = 1 + %v", x, d)
		}
	}
}
