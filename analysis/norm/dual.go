package norm

import "math"

// dual is the dual of a trend filtering problem. With C the rows, W the counts and n the number of points, the cost is
// max x.Cz over the polyhedron of constraint, so that min_z (1/n) sum W (z-y)^2 + lambda cost(z) equals
// max_x lambda (b.x - x.Qx/2), Q = (n lambda/2) C W^-1 C^T, b = C y, at z = y - (n lambda/2) W^-1 C^T x.
type dual struct {
	points      *Points
	rows        [][]float64
	lambda      float64
	q           [][]float64
	b           []float64
	x           []float64
	constraints []constraint
}

// constraint is a x_i + b x_last <= h, with its multiplier. Without the row of the outer slopes |x_i| <= 1; with it, x_last,
// |x_i| + |x_last| <= 1 and |x_last| <= 1/2, because max(V, (V+S)/2) is the largest (1-t) V + t S for 0 <= t <= 1/2.
type constraint struct {
	i, last    int
	a, b, h    float64
	multiplier float64
}

func newDual(p *Points, rows [][]float64, lambda float64) *dual {
	d := &dual{points: p, rows: rows, lambda: lambda, x: make([]float64, len(rows))}
	scale := float64(p.n * lambda / 2)
	for _, row := range rows {
		d.b = append(d.b, dot(row, p.y))
		line := make([]float64, len(rows))
		for j, other := range rows {
			for k, v := range row {
				line[j] += float64(scale * v * other[k] / p.count[k])
			}
		}
		d.q = append(d.q, line)
	}
	d.constrain(len(rows) > len(p.x)-2)
	return d
}

func (d *dual) constrain(outer bool) {
	last := len(d.rows) - 1
	add := func(i int, a, b, h float64) {
		d.constraints = append(d.constraints, constraint{i: i, last: last, a: a, b: b, h: h, multiplier: 1})
	}
	for i := range d.rows {
		switch {
		case !outer:
			add(i, 1, 0, 1)
			add(i, -1, 0, 1)
		case i == last:
			add(i, 1, 0, 0.5)
			add(i, -1, 0, 0.5)
		default:
			add(i, 1, 1, 1)
			add(i, 1, -1, 1)
			add(i, -1, 1, 1)
			add(i, -1, -1, 1)
		}
	}
}

// along returns a x_i + b x_last.
func (c *constraint) along(x []float64) float64 { return float64(c.a*x[c.i]) + float64(c.b*x[c.last]) }

// addTo adds v times the constraint's normal to x.
func (c *constraint) addTo(x []float64, v float64) {
	x[c.i] += float64(c.a * v)
	x[c.last] += float64(c.b * v)
}

// primal returns z = y - (n lambda/2) W^-1 C^T x.
func (d *dual) primal() []float64 {
	z := make([]float64, len(d.points.y))
	for i, row := range d.rows {
		for k, v := range row {
			z[k] += float64(v * d.x[i])
		}
	}
	scale := float64(d.points.n * d.lambda / 2)
	for k, v := range z {
		z[k] = d.points.y[k] - float64(scale*v)/d.points.count[k]
	}
	return z
}

// value returns lambda (b.x - x.Qx/2).
func (d *dual) value() float64 {
	sum := 0.0
	for i, line := range d.q {
		sum += float64(d.x[i] * (d.b[i] - dot(line, d.x)/2))
	}
	return float64(d.lambda * sum)
}

// step makes one step of a primal-dual interior point method that stays inside the constraints. It reports false where the
// arithmetic is at its end.
func (d *dual) step() bool {
	slack, gap := make([]float64, len(d.constraints)), 0.0
	for j := range d.constraints {
		c := &d.constraints[j]
		slack[j] = c.h - c.along(d.x)
		gap += float64(slack[j] * c.multiplier)
	}
	if len(d.constraints) == 0 {
		return false
	}
	target := 0.1 * gap / float64(len(d.constraints))
	matrix, right := d.newton(slack, target)
	if !cholesky(matrix) {
		return false
	}
	solve(matrix, right)
	return d.advance(right, slack, target)
}

// newton returns the matrix and the right side of the system for the step of x.
func (d *dual) newton(slack []float64, target float64) (matrix [][]float64, right []float64) {
	right = make([]float64, len(d.x))
	for i, line := range d.q {
		matrix = append(matrix, append([]float64(nil), line...))
		right[i] = d.b[i] - dot(line, d.x)
	}
	for j := range d.constraints {
		c := &d.constraints[j]
		weight := c.multiplier / slack[j]
		matrix[c.i][c.i] += float64(weight * c.a * c.a)
		if c.b != 0 {
			matrix[c.i][c.last] += float64(weight * c.a * c.b)
			matrix[c.last][c.i] += float64(weight * c.a * c.b)
			matrix[c.last][c.last] += float64(weight * c.b * c.b)
		}
		c.addTo(right, -target/slack[j])
	}
	return matrix, right
}

// advance goes along dx and the multipliers' step that belongs to it, nearly to the boundary at most.
func (d *dual) advance(dx, slack []float64, target float64) bool {
	step := 1.0
	dm := make([]float64, len(slack))
	for j := range d.constraints {
		c := &d.constraints[j]
		ds := -c.along(dx)
		dm[j] = (target-float64(c.multiplier*ds))/slack[j] - c.multiplier
		if ds < 0 {
			step = min(step, -0.99*slack[j]/ds)
		}
		if dm[j] < 0 {
			step = min(step, -0.99*c.multiplier/dm[j])
		}
	}
	if math.IsNaN(step) || step < 1e-12 {
		return false
	}
	for i, v := range dx {
		d.x[i] += float64(step * v)
	}
	for j := range d.constraints {
		d.constraints[j].multiplier += float64(step * dm[j])
	}
	return true
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += float64(v * b[i])
	}
	return sum
}

// cholesky replaces the lower triangle of a symmetric matrix by its Cholesky factor; false if it is not positive definite.
func cholesky(m [][]float64) bool {
	for i, row := range m {
		for j := range i {
			row[j] = (row[j] - dot(row[:j], m[j])) / m[j][j]
		}
		pivot := row[i] - dot(row[:i], row)
		if !(pivot > 0) {
			return false
		}
		row[i] = math.Sqrt(pivot)
	}
	return true
}

// solve replaces v by the solution of L L^T x = v.
func solve(l [][]float64, v []float64) {
	for i, row := range l {
		v[i] = (v[i] - dot(row[:i], v)) / row[i]
	}
	for i := len(l) - 1; i >= 0; i-- {
		for j := i + 1; j < len(l); j++ {
			v[i] -= float64(l[j][i] * v[j])
		}
		v[i] /= l[i][i]
	}
}
