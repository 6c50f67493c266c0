package averagingrank

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// frame is the figure of the paper; its panels come from its claims.
var frame = figure.Figure{
	Title: "What averaging does to rank",
	Caption: "Local SGD with K workers and H local steps between averages. Dashed lines are predictions, points measurements. " +
		"The average's rank is bounded whatever H is (last panel); it depends on H only as far as the workers' curvature differs (fourth), " +
		"and in networks it is lower than its members' once local phases are long.",
	Columns: 3,
}

// The places of the panels.
const (
	placeEps = iota
	placeHeat
	placeCollapse
	placeInvariance
	placeCurve
	placeDynamics
)

// drawOverH shows ranks under random gradients over H: the theorem's bound is flat, and so is the average.
func drawOverH(ctx context.Context, lab *claims.Lab) error {
	all, err := randomRanks(ctx, lab, 1)
	if err != nil {
		return err
	}
	var rows []row
	for _, r := range all {
		if r.Workers == 4 && r.Batch == 1 {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return a.Steps - b.Steps })
	n, _ := theory.Forgetting(rows[0].Rho, dynamicsEps)
	line := func(name string, group int, style figure.Style, value func(r row) float64) figure.Line {
		l := figure.Line{Name: name, Group: group, Style: style}
		for _, r := range rows {
			l.X, l.Y = append(l.X, float64(r.Steps)), append(l.Y, value(r))
		}
		return l
	}
	lab.DrawPanel("averaging-rank", frame, placeDynamics, figure.Panel{
		Title: fmt.Sprintf("Random gradients, d = %d, K = 4", rows[0].rows),
		X:     "local steps H", Y: fmt.Sprintf("eps-rank, eps = %g", dynamicsEps), LogX: true,
		Lines: []figure.Line{
			line("bound m B K n", 1, figure.Dashed, func(row) float64 { return float64(theory.AverageBound(1, 1, 4, n)) }),
			line("certificate", 4, figure.Dashed, func(r row) float64 { return float64(r.Certified.Bound) }),
			line("law, average", 2, figure.Dashed, func(r row) float64 { return float64(r.LawAverage) }),
			line("average", 2, figure.LinePoints, func(r row) float64 { return r.Average }),
			line("law, local", 3, figure.Dashed, func(r row) float64 { return float64(r.LawLocal) }),
			line("local", 3, figure.LinePoints, func(r row) float64 { return r.Local }),
		},
	})
	return nil
}

// drawInvariance shows how far averages are from those under H = 1, against how far apart the workers' models are.
func drawInvariance(lab *claims.Lab, points []drifted) {
	p := figure.Panel{
		Title: "Differing curvature is what makes H matter", X: "divergence of the members, sqrt(V)/||W||", Y: "deviation of the average from H = 1",
		LogX: true, LogY: true,
	}
	table := claims.Table{Name: "P1.12a-invariance", Columns: []string{"problem", "local_steps", "divergence", "deviation"}}
	names := map[string]int{}
	for _, d := range points {
		table.Rows = append(table.Rows, []string{d.name, fmt.Sprint(d.steps), fmt.Sprint(d.divergence), fmt.Sprint(d.deviation)})
		at, seen := names[d.name]
		if !seen {
			at = len(p.Lines)
			names[d.name] = at
			p.Lines = append(p.Lines, figure.Line{Name: d.name, Style: figure.Points})
		}
		if d.steps > 1 {
			p.Lines[at].X, p.Lines[at].Y = append(p.Lines[at].X, d.divergence), append(p.Lines[at].Y, max(d.deviation, floor))
		}
	}
	p.Marks = []figure.Mark{{Name: "rounding", At: floor}}
	lab.Tabulate(table)
	lab.DrawPanel("averaging-rank", frame, placeInvariance, p)
}

// floor is where deviations of 0 are drawn on a logarithmic axis.
const floor = 1e-16
