package norm

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

var long = flag.Bool("long", false, "train the networks of U1 to the exact optimum")

// sine is the data of U1: ten points of sin 3x in [-1, 1].
func sine(t testing.TB) *Points {
	var x, y []float64
	for i := range 10 {
		x = append(x, -1+2*float64(i)/9)
		y = append(y, math.Sin(3*x[i]))
	}
	return points(t, x, y)
}

func points(t testing.TB, x, y []float64) *Points {
	t.Helper()
	p, err := NewPoints(x, y)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func solution(t testing.TB, p *Points, lambda float64, skip bool) *Optimum {
	t.Helper()
	o, err := p.Solve(lambda, skip)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func near(t testing.TB, what string, got, want, relative float64) {
	t.Helper()
	if !(math.Abs(got-want) <= relative*math.Abs(want)) {
		t.Errorf("%s: %.10g, want %.10g within %g", what, got, want, relative)
	}
}

// The numbers of PAPERS.md 5.2 E7 and 5.5 U1, which other programs found, to all their digits.
func TestOptimumOfTheSine(t *testing.T) {
	p := sine(t)
	near(t, "V", p.Interpolation(true), 11.127, 1e-4)
	slopes := p.slopes(p.y)
	near(t, "S", math.Abs(slopes[0]+slopes[len(slopes)-1]), 5.238, 1e-4) // below V: the outer slopes are free
	for _, skip := range []bool{true, false} {
		first, second := solution(t, p, 1e-2, skip), solution(t, p, 1e-3, skip)
		t.Logf("skip %v: objectives %.6f (gap %.1g), %.6f (gap %.1g), path norm %.5f", skip,
			first.Objective, first.Gap, second.Objective, second.Gap, second.PathNorm)
		near(t, "objective at 1e-2", first.Objective, 0.08425, 1e-4)
		near(t, "objective at 1e-3", second.Objective, 0.01052, 5e-4)
		near(t, "path norm at 1e-3", second.PathNorm, 9.912, 1e-4)
		// While no change of slope vanishes V - P = 1215 lambda.
		for _, lambda := range []float64{1e-4, 1e-5} {
			near(t, "V - P", p.Interpolation(skip)-solution(t, p, lambda, skip).PathNorm, 1215*lambda, 1e-3)
		}
	}
}

// For three points the solution is one soft threshold: z = y - t a/||a||^2, where a is the only change of slope.
func TestOptimumOfThreePoints(t *testing.T) {
	p := points(t, []float64{0, 1, 3}, []float64{0, 2, 0})
	a := []float64{1, -1.5, 0.5}
	change, square := dot(a, []float64{0, 2, 0}), dot(a, a)
	for _, lambda := range []float64{0.1, 1, 0.55, 0.57, 3} {
		o := solution(t, p, lambda, true)
		left := math.Copysign(max(0, math.Abs(change)-1.5*lambda*square), change)
		for i, v := range o.Z {
			want := p.y[i] - (change-left)*a[i]/square
			if math.Abs(v-want) > 1e-6 {
				t.Errorf("lambda %g: z[%d] = %g, want %g", lambda, i, v, want)
			}
		}
		near(t, "objective", o.Objective, (change-left)*(change-left)/square/3+lambda*math.Abs(left), 1e-9)
	}
}

// On random points nothing nearby is better (the problem is convex), and the gap is what the solver says it is.
func TestOptimumIsTheLeast(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 14).Draw(rt, "points")
		stream := keyed.New(rapid.Uint64().Draw(rt, "seed"), "optimum test")
		var x, y []float64
		for range n {
			x, y = append(x, stream.Normal()), append(y, stream.Normal())
		}
		if n > 4 {
			x[3] = x[0] // two values at one place
		}
		p, err := NewPoints(x, y)
		if err != nil {
			rt.Fatal(err)
		}
		lambda, skip := math.Exp(rapid.Float64Range(-9, 1).Draw(rt, "log lambda")), rapid.Bool().Draw(rt, "skip")
		o, err := p.Solve(lambda, skip)
		if err != nil {
			rt.Fatal(err)
		}
		for _, size := range []float64{1e-6, 1e-3, 1} {
			z := make([]float64, len(o.Z))
			for i, v := range o.Z {
				z[i] = v + size*stream.Normal()
			}
			if other := p.Loss(z) + lambda*p.Cost(z, skip); other < o.Objective-o.Gap-1e-12*o.Objective {
				rt.Fatalf("%g nearby, %g at the optimum (gap %g)", other, o.Objective, o.Gap)
			}
		}
	})
}

// P(lambda) does not increase and stays below the interpolation's (P5.4).
func TestPathNormFallsWithLambda(t *testing.T) {
	p := sine(t)
	for _, skip := range []bool{true, false} {
		before := p.Interpolation(skip)
		for exponent := -6.0; exponent < 2; exponent += 0.25 {
			o := solution(t, p, math.Pow(10, exponent), skip)
			if o.PathNorm > before*(1+1e-9)+1e-9 {
				t.Errorf("skip %v, lambda 1e%g: path norm %g, before %g", skip, exponent, o.PathNorm, before)
			}
			before = o.PathNorm
		}
		if before > 1e-3 {
			t.Errorf("skip %v: path norm %g under a large lambda", skip, before)
		}
	}
}

func TestPointsRefuse(t *testing.T) {
	for name, c := range map[string][2][]float64{
		"lengths": {{1, 2}, {1}}, "one place": {{1, 1}, {1, 2}}, "NaN": {{1, 2}, {1, math.NaN()}}, "none": {nil, nil},
	} {
		if _, err := NewPoints(c[0], c[1]); !errors.Is(err, ErrData) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, lambda := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := sine(t).Solve(lambda, true); !errors.Is(err, ErrData) {
			t.Errorf("lambda %v: %v", lambda, err)
		}
	}
}

// U1: gradient descent with weight decay on a network of width 60 reaches the exact optimum within 1%, is balanced, and has
// its path norm and knots.
func TestTrainingReachesTheOptimum(t *testing.T) {
	if !*long {
		t.Skip("trains for seconds; -long runs it")
	}
	p := sine(t)
	for _, lambda := range []float64{1e-2, 1e-3} {
		for _, skip := range []bool{true, false} {
			t.Run(fmt.Sprintf("lambda=%g,skip=%v", lambda, skip), func(t *testing.T) {
				u := train(p, lambda, skip, 150_000)
				o := solution(t, p, lambda, skip)
				z := make([]float64, len(p.x))
				for i, x := range p.x {
					z[i] = u.At(x)
				}
				objective := p.Loss(z) + lambda*u.PathNorm()
				t.Logf("objective %.5f (%.5f), path norm %.4f (%.4f), balance %.4f, %d knots", objective, o.Objective,
					u.PathNorm(), o.PathNorm, *u.Balance(false), len(Merge(u.Knots(), 0.04, 0.01)))
				if objective < o.Objective-o.Gap || objective > 1.01*o.Objective {
					t.Errorf("objective %.6f, the optimum is %.6f", objective, o.Objective)
				}
				near(t, "path norm", u.PathNorm(), o.PathNorm, 0.01)
				if *u.Balance(false) > 0.01 {
					t.Errorf("balance %g", *u.Balance(false))
				}
			})
		}
	}
}

// train is full-batch gradient descent, weight decay on v and w alone.
func train(p *Points, lambda float64, skip bool, steps int) *Univariate {
	const width, rate = 60, 0.05
	stream := keyed.New(1, "U1")
	u := &Univariate{HasSkip: skip}
	for range width {
		w, knot := stream.Normal(), 2*stream.Float64()-1 // knots among the data, so that few units start dead
		u.V, u.W, u.B = append(u.V, 0.3*stream.Normal()), append(u.W, w), append(u.B, -w*knot)
	}
	for range steps {
		var v, w, b [width]float64
		var c1, c0 float64
		for i, x := range p.x {
			r := 2 * (u.At(x) - p.y[i]) / p.n
			c0, c1 = c0+r, c1+r*x
			for k := range width {
				if t := u.W[k]*x + u.B[k]; t > 0 {
					v[k] += r * t
					w[k] += r * u.V[k] * x
					b[k] += r * u.V[k]
				}
			}
		}
		for k := range width {
			u.V[k], u.W[k], u.B[k] = u.V[k]-rate*(v[k]+lambda*u.V[k]), u.W[k]-rate*(w[k]+lambda*u.W[k]), u.B[k]-rate*b[k]
		}
		u.Offset -= rate * c0
		if skip {
			u.Skip -= rate * c1
		}
	}
	return u
}
