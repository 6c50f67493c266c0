package lowrank

import (
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// frame is the figure of the paper; its panels come from its claims.
var frame = figure.Figure{
	Title: "SGD, weight decay and low rank",
	Caption: "First row: ranks at equal epochs over one hyperparameter, bands over seeds. Then: they are one effect, that of Lambda = sum of lr wd; " +
		"half of the eps-rank is gone where predicted (dotted); what is cut off does not matter; movement does not die out under weight decay; and where decay wins, training fails.",
	Columns: 3,
}

// The places of the panels, after those of the sweeps.
const (
	placeCollapse = iota + 3
	placeOnset
	placeTruncation
	placePlateau
	placeFailure
)

// panel hands in a panel of the figure.
func panel(lab *claims.Lab, place int, p figure.Panel) { lab.DrawPanel("low-rank", frame, place, p) }

// banded returns a line of means over seeds, in a band from the lowest to the highest.
func banded(name string, x []float64, all [][]*ended, number func(e *ended) float64) figure.Line {
	l := figure.Line{Name: name, X: x, Style: figure.LinePoints}
	for _, runs := range all {
		var values []float64
		for _, e := range runs {
			values = append(values, number(e))
		}
		l.Y, l.Lo, l.Hi = append(l.Y, mean(runs, number)), append(l.Lo, slices.Min(values)), append(l.Hi, slices.Max(values))
	}
	return l
}

func (w sweep) draw(lab *claims.Lab, all [][]*ended) {
	place := slices.IndexFunc(sweeps, func(o sweep) bool { return o.id == w.id })
	x := slices.Clone(w.values)
	if x[0] == 0 {
		x, all = x[1:], all[1:] // no place on a logarithmic axis
	}
	panel(lab, place, figure.Panel{
		Title: "Rank over " + w.axis, X: w.axis, Y: "mean rank of hidden weights", LogX: true,
		Lines: []figure.Line{
			banded(fmt.Sprintf("eps-rank, eps = %g", marginalEps), x, all, func(e *ended) float64 { return e.rank(marginalEps) }),
			banded("effective rank", x, all, (*ended).effective),
		},
	})
	table := claims.Table{Name: w.id + "-ranks", Columns: []string{"value", "seed", "lambda", "effective_rank", "rank_0.001", "train_accuracy", "test_accuracy"}}
	for i, runs := range all {
		for j, e := range runs {
			table.Rows = append(table.Rows, cells(x[i], j+1, e.lambda, e.effective(), e.rank(marginalEps), e.train, e.test))
		}
	}
	lab.Tabulate(table)
}

func cells(values ...any) []string {
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func drawCollapse(lab *claims.Lab, all [][]*ended, kept []int) {
	p := figure.Panel{Title: "Collapse on Lambda", X: "Lambda = sum of lr wd", Y: "effective rank, last hidden weight", LogX: true}
	at, dropped := map[int]int{}, figure.Line{Name: "dropped by the gate", Style: figure.Points}
	table := claims.Table{Name: "P1.14-collapse", Columns: []string{"batch", "lr", "wd", "seed", "lambda", "effective_rank", "train_accuracy", "test_accuracy", "kept"}}
	for i, runs := range all {
		for j, e := range runs {
			b, sgd := e.setting.Job.Local.Schedule.Batch, e.setting.Job.Local.SGD
			in := slices.Contains(kept, i)
			table.Rows = append(table.Rows, cells(b, sgd.LR, sgd.WeightDecay, j+1, e.lambda, last(e), e.train, e.test, in))
			if !in {
				dropped.X, dropped.Y = append(dropped.X, e.lambda), append(dropped.Y, last(e))
				continue
			}
			if _, seen := at[b]; !seen {
				at[b] = len(p.Lines)
				p.Lines = append(p.Lines, figure.Line{Name: fmt.Sprintf("B = %d", b), Style: figure.Points})
			}
			l := &p.Lines[at[b]]
			l.X, l.Y = append(l.X, e.lambda), append(l.Y, last(e))
		}
	}
	if len(dropped.X) > 0 {
		p.Lines = append(p.Lines, dropped)
	}
	lab.Tabulate(table)
	panel(lab, placeCollapse, p)
}

// drawOnset shows eps-ranks of the first seed over Lambda; the predictions are those of the first setting.
func drawOnset(lab *claims.Lab, found [][]halving) {
	p := figure.Panel{Title: "Onset of rank loss", X: "Lambda", Y: "eps-rank, last hidden weight"}
	table := claims.Table{Name: "P1.13-onset", Columns: []string{"batch", "lr", "wd", "eps", "lambda", "rank"}}
	for i, one := range found {
		for e, h := range one {
			name := ""
			if i == 0 {
				name = fmt.Sprintf("eps = %g", h.eps)
				p.Marks = append(p.Marks, figure.Mark{Name: fmt.Sprintf("Lambda_c(%g)", h.eps), At: h.predicted, Vertical: true})
			}
			p.Lines = append(p.Lines, figure.Line{Name: name, X: h.lambda, Y: h.rank, Group: e + 1})
			for n := range h.lambda {
				table.Rows = append(table.Rows, cells(h.setting[0], h.setting[1], h.setting[2], h.eps, h.lambda[n], h.rank[n]))
			}
		}
	}
	lab.Tabulate(table)
	panel(lab, placeOnset, p)
}

func drawTruncation(lab *claims.Lab, cuts []cut) {
	l := figure.Line{Name: "a run", Style: figure.Points}
	table := claims.Table{Name: "P1.8-truncation", Columns: []string{"seed", "rank_0.05", "test_accuracy", "truncated_test_accuracy"}}
	for _, c := range cuts {
		l.X, l.Y = append(l.X, c.rank), append(l.Y, 100*(c.after-c.before))
		table.Rows = append(table.Rows, cells(c.seed+1, c.rank, c.before, c.after))
	}
	lab.Tabulate(table)
	panel(lab, placeTruncation, figure.Panel{
		Title: "Truncation to the eps-rank", X: fmt.Sprintf("mean eps-rank, eps = %g", truncationEps), Y: "change of test accuracy, points",
		Lines: []figure.Line{l}, Marks: []figure.Mark{{Name: "allowed", At: 100 * truncationCosts}, {At: -100 * truncationCosts}},
	})
}

func drawPlateau(lab *claims.Lab, all [][]*ended) {
	p := figure.Panel{Title: "Movement an epoch", X: "epoch", Y: "Dist, relative change", LogY: true}
	for i, runs := range all {
		l := figure.Line{Name: fmt.Sprintf("wd %v", plateauDecays[i])}
		for n, v := range runs[0].dist {
			l.X, l.Y = append(l.X, float64(n+1)), append(l.Y, v)
		}
		p.Lines = append(p.Lines, l)
	}
	panel(lab, placePlateau, p)
}

func drawFailure(lab *claims.Lab, all [][]*ended) {
	rank := banded("eps-rank, part of the initial one", failureDecays, all, func(e *ended) float64 {
		return e.rank(marginalEps) / claims.MeanOf(e.before, claims.EpsRank(marginalEps))
	})
	panel(lab, placeFailure, figure.Panel{
		Title: "Where decay wins", X: "weight decay", Y: "part of 1", LogX: true,
		Lines: []figure.Line{rank, banded("train accuracy", failureDecays, all, func(e *ended) float64 { return e.train })},
	})
}
