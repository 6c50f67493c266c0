package norm

import (
	"fmt"
	"math"
)

// Optimum is the exact optimum of the training problem (1/N) sum (f(x_i)-y_i)^2 + lambda sum |v_k||w_k| over shallow networks of
// sufficient width (E7), which is also that of weight decay (lambda/2) sum (v_k^2+w_k^2) (E3).
type Optimum struct {
	Z         []float64 // fitted values at Points.Places
	Loss      float64   // mean squared error
	PathNorm  float64   // of the cheapest network through Z
	Objective float64   // Loss + lambda PathNorm
	Gap       float64   // Objective exceeds the least possible value by at most this
}

// Solve returns the optimum for a positive lambda, with or without a skip connection: min over z of Loss(z) + lambda Cost(z), l1
// trend filtering. It solves the dual problem, a quadratic program over one number for each change of slope, by an interior
// point method; its steps take time cubic in the number of places. It fails with ErrData if lambda is not positive and finite,
// or if the gap stays above a millionth of the objective: places that are very close to each other cost digits.
func (p *Points) Solve(lambda float64, skip bool) (*Optimum, error) {
	if !(lambda > 0) || math.IsInf(lambda, 1) {
		return nil, fmt.Errorf("%w: lambda %v, want a positive number", ErrData, lambda)
	}
	rows := p.changes()
	if !skip {
		rows = append(rows, p.outer())
	}
	d := newDual(p, rows, lambda)
	best := p.optimum(d, skip)
	for range maxSteps {
		if best.Gap <= float64(1e-14*best.Objective) || !d.step() {
			break
		}
		if next := p.optimum(d, skip); next.Gap < best.Gap {
			best = next
		}
	}
	if !(best.Gap <= float64(1e-6*best.Objective)) && best.Objective > 0 {
		return nil, fmt.Errorf("%w: the gap stays at %g of %g", ErrData, best.Gap, best.Objective)
	}
	return best, nil
}

// maxSteps bounds the interior point method, which needs about twenty.
const maxSteps = 200

// changes returns the rows of the map from values to changes of slope.
func (p *Points) changes() [][]float64 {
	var rows [][]float64
	for i := 0; i+2 < len(p.x); i++ {
		row := make([]float64, len(p.x))
		left, right := 1/(p.x[i+1]-p.x[i]), 1/(p.x[i+2]-p.x[i+1])
		row[i], row[i+1], row[i+2] = left, -left-right, right
		rows = append(rows, row)
	}
	return rows
}

// outer returns the map from values to first slope + last slope.
func (p *Points) outer() []float64 {
	row := make([]float64, len(p.x))
	n := len(p.x)
	left, right := 1/(p.x[1]-p.x[0]), 1/(p.x[n-1]-p.x[n-2])
	row[0] -= left
	row[1] += left
	row[n-2] -= right
	row[n-1] += right
	return row
}

// optimum returns the primal point that belongs to the dual one, with the gap between their values.
func (p *Points) optimum(d *dual, skip bool) *Optimum {
	z := d.primal()
	o := &Optimum{Z: z, Loss: p.Loss(z), PathNorm: p.Cost(z, skip)}
	o.Objective = o.Loss + float64(d.lambda*o.PathNorm)
	o.Gap = max(0, o.Objective-(d.value()+p.spread/p.n))
	return o
}
