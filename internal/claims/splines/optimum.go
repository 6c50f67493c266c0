package splines

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/internal/claims"
)

const (
	// solverBound is the bound on relative errors of what the solver of the exact optimum says, which stops at a millionth of
	// the objective (P5.4).
	solverBound = 1e-6
	// searchBound is that of the search over the outer slopes (P5.6).
	searchBound = 1e-10
)

// dataOf returns the training points of a setting.
func dataOf(s *claims.Setting) (x, y []float64) {
	set, row := s.Job.Data.Train, make([]float32, 1)
	for _, shard := range s.Job.Shards {
		for _, i := range shard {
			set.Features(row, int(i))
			x, y = append(x, float64(row[0])), append(y, float64(set.Targets[i]))
		}
	}
	return x, y
}

// pointsOf returns the training points in order; the setting must be of one input and one output.
func pointsOf(s *claims.Setting) (*norm.Points, error) {
	if s.Job.Net.Inputs() != 1 || s.Job.Net.Outputs() != 1 || s.Job.Data.Train.Targets == nil {
		return nil, fmt.Errorf("the claim is about regression on one number, not %d inputs and %d outputs", s.Job.Net.Inputs(), s.Job.Net.Outputs())
	}
	return norm.NewPoints(dataOf(s))
}

// lambdas are the penalties of P5.4, ascending.
func lambdas() []float64 {
	var list []float64
	for e := -6.0; e <= 0.01; e += 0.25 {
		list = append(list, math.Pow(10, e))
	}
	return list
}

func measureApproach(_ context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	s, err := lab.Setting("P5.4")
	if err != nil {
		return nil, err
	}
	points, err := pointsOf(s)
	if err != nil {
		return nil, err
	}
	x, y := dataOf(s)
	return approach(points, rate(x, y))
}

// approach follows the path norm at the exact optimum over the penalties; c is the predicted (V - P)/lambda for small ones.
func approach(points *norm.Points, c float64) (*claims.Outcome, error) {
	v := points.Interpolation(true)
	worst, last, text := 0.0, math.Inf(1), ""
	for i, lambda := range lambdas() {
		o, err := points.Solve(lambda, true)
		if err != nil {
			return nil, err
		}
		worst = math.Max(worst, math.Max(o.PathNorm-v, o.PathNorm-last)/v)
		last = o.PathNorm
		if c*lambda < linearShare*v {
			off := math.Abs((v-o.PathNorm)/lambda/c - 1)
			worst = math.Max(worst, off*c*lambda/v) // an error of the path norm, relative to it
			if i%4 == 0 {
				text += fmt.Sprintf("; V - P = %.5g at lambda %.0e", v-o.PathNorm, lambda)
			}
		}
	}
	o := claims.TestBound(worst, solverBound)
	o.Setup = fmt.Sprintf("%d points, %d penalties from 1e-6 to 1, exact optimum with skip connection", len(points.Places()), len(lambdas()))
	o.Predicted = fmt.Sprintf("P <= V = %.4f, falling in lambda, V - P = %.4g lambda while no slope change vanishes, to %g of V", v, c, solverBound)
	o.Measured = fmt.Sprintf("worst violation %.2g of V%s", worst, text)
	return o, nil
}

// linearShare is the part of V that V - P has to be below to be linear in lambda: no change of slope may vanish.
const linearShare = 0.02

// rate returns (N/2) ||A^T sgn||^2, A the map from values to changes of slope, sgn the signs of those of the data (E7). x is
// ascending.
func rate(x, y []float64) float64 {
	n := len(x)
	g := make([]float64, n)
	for i := 0; i+2 < n; i++ {
		left, right := 1/(x[i+1]-x[i]), 1/(x[i+2]-x[i+1])
		change := (y[i+2]-y[i+1])*right - (y[i+1]-y[i])*left
		sign := math.Copysign(1, change)
		g[i] += sign * left
		g[i+1] -= sign * (left + right)
		g[i+2] += sign * right
	}
	sum := 0.0
	for _, v := range g {
		sum += v * v
	}
	return float64(n) / 2 * sum
}

// interpolated are the data sets of P5.6.
var interpolated = []struct {
	name    string
	changes []string
}{
	{"y = x", []string{"data.synthetic.function.of=x", "data.synthetic.function.noise=0"}},
	{"sin 3x", []string{"data.synthetic.function.of=sin_3x", "data.synthetic.function.noise=0"}},
	{"10x + noise", []string{"data.synthetic.function.of=10x", "data.synthetic.function.noise=0.05"}},
}

func measureSkip(_ context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return skip(lab, func(p *norm.Points, with bool) float64 { return p.Interpolation(with) })
}

// skip compares a formula for the least path norm of interpolation with a search over the slopes outside of the data.
func skip(lab *claims.Lab, formula func(p *norm.Points, with bool) float64) (*claims.Outcome, error) {
	worst, text := 0.0, ""
	s, err := lab.Setting("P5.6")
	if err != nil {
		return nil, err
	}
	for _, data := range interpolated {
		s, err := lab.Setting("P5.6", data.changes...)
		if err != nil {
			return nil, err
		}
		points, err := pointsOf(s)
		if err != nil {
			return nil, err
		}
		slopes := slopesOf(dataOf(s))
		for _, with := range []bool{true, false} {
			searched, said := search(slopes, with), formula(points, with)
			worst = math.Max(worst, math.Abs(searched-said)/math.Max(1, said))
			text += fmt.Sprintf("; %s, skip %v: %.6f searched, %.6f said", data.name, with, searched, said)
		}
	}
	o := claims.TestBound(worst, searchBound)
	o.Setup = fmt.Sprintf("%d points of three functions, search over both outer slopes", len(s.Job.Shards[0]))
	o.Predicted = fmt.Sprintf("difference at most %g", searchBound)
	o.Measured = fmt.Sprintf("%.2g%s", worst, text)
	return o, nil
}

func slopesOf(x, y []float64) []float64 {
	slopes := make([]float64, len(x)-1)
	for i := range slopes {
		slopes[i] = (y[i+1] - y[i]) / (x[i+1] - x[i])
	}
	return slopes
}

// search returns the least cost of functions that connect the data: their slopes outside of it are free. Without a skip
// connection a function costs max(TV(f'), |f'(-inf) + f'(inf)|) (Savarese et al. 2019).
func search(slopes []float64, with bool) float64 {
	inside, largest := 0.0, 0.0
	for i, s := range slopes {
		largest = math.Max(largest, math.Abs(s))
		if i > 0 {
			inside += math.Abs(s - slopes[i-1])
		}
	}
	cost := func(left, right float64) float64 {
		tv := math.Abs(slopes[0]-left) + inside + math.Abs(right-slopes[len(slopes)-1])
		if with {
			return tv
		}
		return math.Max(tv, math.Abs(left+right))
	}
	reach := 4*largest + 1
	return least(reach, func(left float64) float64 {
		return least(reach, func(right float64) float64 { return cost(left, right) })
	})
}

// least returns the minimum of a convex function on [-reach, reach], by ternary search.
func least(reach float64, f func(float64) float64) float64 {
	lo, hi := -reach, reach
	for range 150 {
		a, b := lo+(hi-lo)/3, hi-(hi-lo)/3
		if f(a) <= f(b) {
			hi = b
		} else {
			lo = a
		}
	}
	return f(lo + (hi-lo)/2)
}
