package deeprelu

import (
	"fmt"
	"math"
	"strconv"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// frame is the paper's figure, to which several claims add panels.
var frame = figure.Figure{
	Title: "Deep ReLU networks that converge",
	Caption: "Layers that come near the identity with depth let states settle, within the tail bound and at the predicted rate; independent " +
		"layers go on moving them for ever, and networks of fifty of them do not train.",
	Columns: 2,
}

const (
	placeTails = iota
	placeSteps
	placeRate
	placeTraining
)

// drawTails draws the distance from the last state over depth, all draws together, beside the bound.
func drawTails(lab *claims.Lab, checks []*tailCheck) {
	n := len(checks[0].moved) - 1
	moved, bound := figure.Line{Name: "measured", Style: figure.Solid, Group: 1}, figure.Line{Name: "bound", Style: figure.Dashed, Group: 2}
	step := figure.Line{Name: "near identity", Style: figure.Solid}
	table := claims.Table{Name: "deep-relu-tails", Columns: []string{"draw", "layer", "distance", "bound", "step"}}
	for i := range n {
		var values, limits, steps []float64
		for j, c := range checks {
			values, limits, steps = append(values, c.moved[i]), append(limits, c.bound[i]), append(steps, c.step[i])
			table.Rows = append(table.Rows, []string{strconv.Itoa(j + 1), strconv.Itoa(i + 1), number(c.moved[i]), number(c.bound[i]), number(c.step[i])})
		}
		add(&moved, i+1, values)
		add(&bound, i+1, limits)
		if i > 0 {
			add(&step, i+1, steps)
		}
	}
	lab.Tabulate(table)
	lab.DrawPanel("deep-relu", frame, placeTails, figure.Panel{Title: "distance from the last state", X: "layer n", Y: "||x_N - x_n||", LogX: true,
		LogY: true, Lines: []figure.Line{bound, moved}})
	shareSteps(lab, func(p *stepPanel) { p.near = &step })
}

// add appends the mean of values at x, with their range as the band.
func add(l *figure.Line, x int, values []float64) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		lo, hi = math.Min(lo, v), math.Max(hi, v)
	}
	l.X, l.Y = append(l.X, float64(x)), append(l.Y, claims.Mean(values))
	l.Lo, l.Hi = append(l.Lo, lo), append(l.Hi, hi)
}

// stepPanel is the panel of relative steps, to which two claims add a line.
type stepPanel struct{ near, he *figure.Line }

func shareSteps(lab *claims.Lab, fill func(p *stepPanel)) {
	p, err := claims.Once(lab, "deep-relu steps panel", func() (*stepPanel, error) { return &stepPanel{}, nil })
	if err != nil {
		return // making an empty panel cannot fail
	}
	fill(p)
	panel := figure.Panel{Title: "how far a layer moves the state", X: "layer n", Y: "||x_n - x_(n-1)|| / ||x_(n-1)||", LogX: true, LogY: true,
		Marks: []figure.Mark{{Name: "sqrt(2 - 2/pi)", At: heStep}}}
	for _, l := range []*figure.Line{p.he, p.near} {
		if l != nil {
			panel.Lines = append(panel.Lines, *l)
		}
	}
	lab.DrawPanel("deep-relu", frame, placeSteps, panel)
}

func drawSteps(lab *claims.Lab, moved []float64) {
	l := figure.Line{Name: "independent He layers", Style: figure.Points}
	for i, v := range moved {
		l.X, l.Y = append(l.X, float64(i+2)), append(l.Y, v)
	}
	shareSteps(lab, func(p *stepPanel) { p.he = &l })
}

// drawRate draws the curves of the first seed for every power beside lines of the predicted slope through their first points.
func drawRate(lab *claims.Lab, curves [][]float64, seeds int) {
	panel := figure.Panel{Title: "rate of convergence", X: "n", Y: "||x_2n - x_n|| / ||x_n||", LogX: true, LogY: true}
	table := claims.Table{Name: "deep-relu-rate", Columns: []string{"p", "seed", "n", "change"}}
	for i, curve := range curves {
		p := powers[i/seeds]
		measured := figure.Line{Name: fmt.Sprint("p = ", p), Style: figure.Points, Group: 1 + i/seeds}
		law := figure.Line{Style: figure.Dashed, Group: 1 + i/seeds}
		for j, v := range curve {
			n := rateFrom << j
			table.Rows = append(table.Rows, []string{number(p), strconv.Itoa(i%seeds + 1), strconv.Itoa(n), number(v)})
			measured.X, measured.Y = append(measured.X, float64(n)), append(measured.Y, v)
			law.X, law.Y = append(law.X, float64(n)), append(law.Y, curve[0]*math.Pow(float64(n)/rateFrom, 0.5-p))
		}
		if i%seeds == 0 {
			panel.Lines = append(panel.Lines, law, measured)
		}
	}
	lab.Tabulate(table)
	lab.DrawPanel("deep-relu", frame, placeRate, panel)
}

// drawTraining draws test accuracy over rounds for every start.
func drawTraining(lab *claims.Lab, runs []history, seeds int) {
	panel := figure.Panel{Title: "training a deep plain network", X: "epochs", Y: "test accuracy", Marks: []figure.Mark{{Name: "trains", At: trains}}}
	table := claims.Table{Name: "deep-relu-training", Columns: []string{"start", "seed", "round", "test_accuracy", "sum_of_distances", "members"}}
	for i, start := range starts {
		l := figure.Line{Name: start.name, Style: figure.LinePoints}
		for r := range runs[i*seeds].accuracy {
			var values []float64
			for j, h := range runs[i*seeds : (i+1)*seeds] {
				values = append(values, h.accuracy[r])
				table.Rows = append(table.Rows, []string{start.name, strconv.Itoa(j + 1), strconv.Itoa(r + 1), number(h.accuracy[r]), number(h.sums[r]),
					number(h.members[r])})
			}
			add(&l, r+1, values)
		}
		panel.Lines = append(panel.Lines, l)
	}
	lab.Tabulate(table)
	lab.DrawPanel("deep-relu", frame, placeTraining, panel)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
