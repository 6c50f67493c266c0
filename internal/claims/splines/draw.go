package splines

import (
	"fmt"
	"math"
	"strconv"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// frame is the paper's figure, to which several claims add panels.
var frame = figure.Figure{
	Title: "Trained shallow networks are the best splines",
	Caption: "Dashed: the exact optimum of the training problem, found without training. Both penalties end on it at the data (between " +
		"them, other functions cost the same); weight decay gets there by balancing the weights into and out of each unit.",
	Columns: 3,
}

const (
	placeFunction = iota
	placePath
	placeBalance
)

// drawFits draws the data, trained networks and the exact optimum, and path norms against the penalty.
func drawFits(lab *claims.Lab, f *family) {
	first := f.of(0)[0]
	panel := figure.Panel{Title: fmt.Sprintf("%d points, lambda = %g", len(first.x), first.lambda), X: "x", Y: "f(x)", Lines: []figure.Line{
		{Name: "exact optimum", X: first.x, Y: first.optimum.Z, Style: figure.Dashed},
		{Name: "data", X: first.x, Y: first.y, Style: figure.Points},
	}}
	for i, name := range []string{"weight decay", "path norm"} {
		if i >= len(f.recipes) {
			break
		}
		panel.Lines = append(panel.Lines, curve(name, f.of(i)[0]))
	}
	panel.Lines = append(panel.Lines, knotPoints(first))
	lab.DrawPanel("splines", frame, placeFunction, panel)
	drawPaths(lab, f)
	tabulate(lab, f)
}

// curve samples a network a little beyond the data.
func curve(name string, f *fit) figure.Line {
	const samples = 201
	l := figure.Line{Name: name, Style: figure.Solid}
	first, last := f.x[0], f.x[len(f.x)-1]
	for i := range samples {
		x := first + (last-first)*(1.2*float64(i)/(samples-1)-0.1)
		l.X, l.Y = append(l.X, x), append(l.Y, f.f.At(x))
	}
	return l
}

func knotPoints(f *fit) figure.Line {
	l := figure.Line{Name: "knots", Style: figure.Points}
	first, last := f.x[0], f.x[len(f.x)-1]
	for _, k := range norm.Merge(f.f.Knots(), knotsApart*(last-first), knotShare) {
		if k.At >= first-0.1*(last-first) && k.At <= last+0.1*(last-first) {
			l.X, l.Y = append(l.X, k.At), append(l.Y, f.f.At(k.At))
		}
	}
	return l
}

// drawPaths draws path norms against the penalty, with that of interpolation as a line.
func drawPaths(lab *claims.Lab, f *family) {
	points, err := norm.NewPoints(f.fits[0].x, f.fits[0].y)
	if err != nil {
		return // the fits have been compared with these points
	}
	exact := figure.Line{Name: "exact optimum", Style: figure.Dashed}
	for _, lambda := range lambdas() {
		if o, err := points.Solve(lambda, true); err == nil {
			exact.X, exact.Y = append(exact.X, lambda), append(exact.Y, o.PathNorm)
		}
	}
	panel := figure.Panel{Title: "path norm with skip connection", X: "lambda", Y: "path norm", LogX: true, Lines: []figure.Line{exact},
		Marks: []figure.Mark{{Name: "R(y)", At: points.Interpolation(true)}}}
	for _, decay := range []bool{true, false} {
		l := figure.Line{Name: map[bool]string{true: "weight decay", false: "path norm"}[decay], Style: figure.Points}
		for _, fit := range f.fits {
			if fit.decay == decay && fit.skip {
				l.X, l.Y = append(l.X, fit.lambda), append(l.Y, fit.f.PathNorm())
			}
		}
		panel.Lines = append(panel.Lines, l)
	}
	lab.DrawPanel("splines", frame, placePath, panel)
}

// drawBalance draws the imbalance over training beside the decay that gradient flow predicts for v^2 - w^2.
func drawBalance(lab *claims.Lab, f *family) {
	panel := figure.Panel{Title: "imbalance of units over training", X: "thousand steps", Y: "median ||v|-|w|| / (|v|+|w|)", LogY: true,
		Marks: []figure.Mark{{Name: fmt.Sprint("balanced: ", balanced), At: balanced}}}
	group := 0
	for i, r := range f.recipes {
		if !r.skip {
			continue
		}
		group++
		for j, fit := range f.of(i) {
			l := figure.Line{X: thousands(fit.steps), Y: floor(fit.balance), Style: figure.Solid, Group: group}
			if j == 0 {
				l.Name = fmt.Sprintf("%s, %g", map[bool]string{true: "weight decay", false: "path norm"}[r.decay], r.lambda)
			}
			panel.Lines = append(panel.Lines, l)
		}
	}
	lab.DrawPanel("splines", frame, placeBalance, panel)
}

func thousands(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v / 1000
	}
	return out
}

// floor lifts what has gone under rounding, so that a logarithmic axis shows what matters.
func floor(y []float64) []float64 {
	out := make([]float64, len(y))
	for i, v := range y {
		out[i] = math.Max(v, 1e-7)
		if math.IsNaN(v) {
			out[i] = v
		}
	}
	return out
}

func tabulate(lab *claims.Lab, f *family) {
	table := claims.Table{Name: "splines-fits", Columns: []string{"penalty", "lambda", "skip", "seed", "objective", "optimum", "loss", "path_norm",
		"optimum_path_norm", "balance", "knots_inside", "knots_outside", "values_off"}}
	for _, fit := range f.fits {
		inside, outside := fit.knots()
		table.Rows = append(table.Rows, []string{map[bool]string{true: "weight decay", false: "path norm"}[fit.decay], number(fit.lambda),
			strconv.FormatBool(fit.skip), strconv.FormatUint(fit.seed, 10), number(fit.objective), number(fit.optimum.Objective), number(fit.loss),
			number(fit.f.PathNorm()), number(fit.optimum.PathNorm), number(fit.balance[len(fit.balance)-1]), strconv.Itoa(inside), strconv.Itoa(outside),
			number(distance(fit.values(), fit.optimum.Z))})
	}
	lab.Tabulate(table)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
