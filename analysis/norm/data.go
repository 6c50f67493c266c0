package norm

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrData is wrapped where points cannot be fitted.
var ErrData = errors.New("points cannot be fitted")

// Points are the training points of a univariate problem, brought in order: distinct places, each with the mean and the number
// of its values.
type Points struct {
	x, y, count []float64
	n           float64 // values in all
	spread      float64 // sum of (y - mean at its place)^2, which no function changes
}

// NewPoints sorts and groups values y at places x. It fails with ErrData unless there are as many of both, all finite, at two
// places or more.
func NewPoints(x, y []float64) (*Points, error) {
	if len(x) != len(y) {
		return nil, fmt.Errorf("%w: %d places and %d values", ErrData, len(x), len(y))
	}
	order := make([]int, len(x))
	for i := range order {
		if bad := x[i] + y[i]; math.IsNaN(bad) || math.IsInf(bad, 0) {
			return nil, fmt.Errorf("%w: point %d is (%v, %v)", ErrData, i, x[i], y[i])
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	p := &Points{n: float64(len(x))}
	for from, to := 0, 0; from < len(order); from = to {
		sum := 0.0
		for to = from; to < len(order) && x[order[to]] == x[order[from]]; to++ {
			sum += y[order[to]]
		}
		mean := sum / float64(to-from)
		for _, i := range order[from:to] {
			p.spread += float64((y[i] - mean) * (y[i] - mean))
		}
		p.x, p.y, p.count = append(p.x, x[order[from]]), append(p.y, mean), append(p.count, float64(to-from))
	}
	if len(p.x) < 2 {
		return nil, fmt.Errorf("%w: %d places, want at least two", ErrData, len(p.x))
	}
	return p, nil
}

// Places returns the distinct places in ascending order; fitted values are in this order.
func (p *Points) Places() []float64 { return slices.Clone(p.x) }

// slopes returns the slopes between neighbours of the function through values z.
func (p *Points) slopes(z []float64) []float64 {
	s := make([]float64, len(z)-1)
	for i := range s {
		s[i] = (z[i+1] - z[i]) / (p.x[i+1] - p.x[i])
	}
	return s
}

// Cost returns the path norm of the cheapest network through values z at the places (E5, E7): V, the sum of the absolute
// changes of slope, with a skip connection; max(V, (V+S)/2), S = |first slope + last slope|, without one.
func (p *Points) Cost(z []float64, skip bool) float64 {
	s := p.slopes(z)
	v := 0.0
	for i := 1; i < len(s); i++ {
		v += math.Abs(s[i] - s[i-1])
	}
	if skip {
		return v
	}
	return max(v, (v+math.Abs(s[0]+s[len(s)-1]))/2)
}

// Interpolation returns the least path norm of networks that pass through all points (through the means where a place has
// several values).
func (p *Points) Interpolation(skip bool) float64 { return p.Cost(p.y, skip) }

// Loss returns the mean squared error of values z at the places, over all points.
func (p *Points) Loss(z []float64) float64 {
	sum := p.spread
	for i, v := range z {
		sum += float64(p.count[i] * (v - p.y[i]) * (v - p.y[i]))
	}
	return sum / p.n
}
