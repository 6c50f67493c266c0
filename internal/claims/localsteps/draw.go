package localsteps

import (
	"fmt"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

var frame = figure.Figure{
	Title:   "Local SGD on ReLU networks: drift, gates, convergence",
	Caption: "T1 is a network of one hidden layer in the theory's scaling, T2 a perceptron on MNIST. Predictions are dashed.",
	Columns: 2,
}

// The places of the panels in the paper's figure.
const (
	placeLoss = iota
	placeDrift
	placeSlopes
	placeFlips
	placeGrowth
	placeWidths
	placeShards
	placeLinear
	placeRelative
)

func add(lab *claims.Lab, place int, p figure.Panel) { lab.DrawPanel("local-sgd", frame, place, p) }

func drawConvergence(lab *claims.Lab, all []*history) {
	loss := figure.Panel{Title: "T1: training loss", X: "round", Y: "loss over the first", LogY: true}
	drift := figure.Panel{Title: "T1: gradient drift", X: "round", Y: "drift over the first round's", Marks: []figure.Mark{{Name: "bound of the claim", At: mostDrift}}}
	t := claims.Table{Name: "local-sgd-t1", Columns: []string{"seed", "round", "loss", "drift"}}
	for i, h := range all {
		l, d := figure.Line{Group: i + 1}, figure.Line{Group: i + 1}
		for r, v := range h.Loss {
			l.X, l.Y = append(l.X, float64(r)), append(l.Y, v/h.Loss[0])
			if r > 0 {
				d.X, d.Y = append(d.X, float64(r)), append(d.Y, h.Drift[r-1]/h.Drift[0])
				t.Rows = append(t.Rows, []string{fmt.Sprint(i + 1), fmt.Sprint(r), fmt.Sprint(v), fmt.Sprint(h.Drift[r-1])})
			}
		}
		loss.Lines, drift.Lines = append(loss.Lines, l), append(drift.Lines, d)
	}
	add(lab, placeLoss, loss)
	add(lab, placeDrift, drift)
	lab.Tabulate(t)
}

func drawSlopes(lab *claims.Lab, all []slopes) {
	p := figure.Panel{Title: "How smooth is the gradient?", X: "distance r", Y: "local slope of log |grad F(W) - grad F(W + rD)|", LogX: true,
		Marks: []figure.Mark{{Name: "Lipschitz gradient", At: 1}}}
	t := claims.Table{Name: "local-sgd-slopes", Columns: []string{"activation", "radius", "slope"}}
	for _, s := range all {
		p.Lines = append(p.Lines, figure.Line{Name: s.name, X: s.radius, Y: s.values})
		for i, r := range s.radius {
			t.Rows = append(t.Rows, []string{s.name, fmt.Sprint(r), fmt.Sprint(s.values[i])})
		}
	}
	add(lab, placeSlopes, p)
	lab.Tabulate(t)
}

func drawFlips(lab *claims.Lab, grid []*corner) {
	p := figure.Panel{Title: "T1: gates that differ after the first round", X: "width", Y: "fraction of gates", LogX: true, LogY: true}
	t := claims.Table{Name: "local-sgd-flips", Columns: []string{"width", "steps", "eta", "seed", "shard", "flips"}}
	for _, h := range t1Steps {
		l := figure.Line{Name: fmt.Sprintf("H = %d", h), Style: figure.LinePoints}
		for _, m := range t1Widths {
			c := at(grid, m, h, t1Eta)
			for i, s := range c.splits {
				seed := i / (len(c.splits) / c.seeds)
				t.Rows = append(t.Rows, []string{fmt.Sprint(m), fmt.Sprint(h), fmt.Sprint(c.eta), fmt.Sprint(seed + 1), fmt.Sprint(i % (len(c.splits) / c.seeds)), fmt.Sprint(s.Flips)})
			}
			l.X, l.Y = append(l.X, float64(m)), append(l.Y, c.flips(-1))
		}
		p.Lines = append(p.Lines, l)
	}
	add(lab, placeFlips, p)
	lab.Tabulate(t)
}

func drawGrowth(lab *claims.Lab, results []grown) {
	p := figure.Panel{Title: "T2: divergence after one round", X: "local steps H", Y: "V", LogX: true, LogY: true}
	t := claims.Table{Name: "local-sgd-growth", Columns: []string{"arm", "seed", "steps", "divergence", "drift"}}
	for i, r := range results {
		l := figure.Line{Name: r.name, Style: figure.LinePoints, Group: i + 1}
		law := figure.Line{Style: figure.Dashed, Group: i + 1}
		for j, h := range t2Steps {
			mean := 0.0
			for k := range r.v {
				mean += r.v[k][j] / float64(len(r.v))
				t.Rows = append(t.Rows, []string{r.name, fmt.Sprint(k + 1), fmt.Sprint(h), fmt.Sprint(r.v[k][j]), fmt.Sprint(r.drift[k][j])})
			}
			l.X, l.Y = append(l.X, float64(h)), append(l.Y, mean)
			law.X, law.Y = append(law.X, float64(h)), append(law.Y, power(float64(h), r.slope)*l.Y[0])
		}
		p.Lines = append(p.Lines, l, law)
	}
	add(lab, placeGrowth, p)
	lab.Tabulate(t)
}

func power(h, slope float64) float64 {
	if slope == 2 {
		return h * h
	}
	return h
}

func drawWidths(lab *claims.Lab, units []int, rounds [][]float64) {
	h := &figure.Heat{Values: rounds, Format: "%.0f"}
	for _, s := range t2Steps {
		h.XTicks = append(h.XTicks, fmt.Sprint(s))
	}
	for _, m := range units {
		h.YTicks = append(h.YTicks, fmt.Sprint(m))
	}
	add(lab, placeWidths, figure.Panel{Title: "T2: rounds to the target", X: "local steps H", Y: "width", Heat: h})
}

func drawDrifts(lab *claims.Lab, all [2][]drifting) {
	absolute := figure.Panel{Title: "T2: absolute drift", X: "round", Y: "drift", LogY: true}
	relative := figure.Panel{Title: "T2: drift over the gradient's norm (no verdict)", X: "round", Y: "drift_rel", LogY: true}
	t := claims.Table{Name: "local-sgd-drift", Columns: []string{"shards", "seed", "round", "drift", "drift_rel"}}
	for side, runs := range all {
		name := driftSplits[side].name
		for k, d := range runs {
			for r := range d.drift {
				t.Rows = append(t.Rows, []string{name, fmt.Sprint(k + 1), fmt.Sprint(r + 1), fmt.Sprint(d.drift[r]), fmt.Sprint(d.relative[r])})
			}
		}
		absolute.Lines = append(absolute.Lines, meanByRound(name, side+1, runs, func(d drifting) []float64 { return d.drift }))
		relative.Lines = append(relative.Lines, meanByRound(name, side+1, runs, func(d drifting) []float64 { return d.relative }))
	}
	add(lab, placeShards, absolute)
	add(lab, placeRelative, relative)
	lab.Tabulate(t)
}

func meanByRound(name string, group int, runs []drifting, of func(d drifting) []float64) figure.Line {
	l := figure.Line{Name: name, Group: group}
	for r := range of(runs[0]) {
		mean := 0.0
		for _, d := range runs {
			mean += of(d)[r] / float64(len(runs))
		}
		l.X, l.Y = append(l.X, float64(r+1)), append(l.Y, mean)
	}
	return l
}

func drawLinear(lab *claims.Lab, results []*regression) {
	p := figure.Panel{Title: "Fixed features: loss by round", X: "round", Y: "mean squared residual", LogY: true}
	for _, r := range results {
		l := figure.Line{Name: fmt.Sprintf("H = %d", r.steps), Y: r.loss}
		for i := range r.loss {
			l.X = append(l.X, float64(i))
		}
		p.Lines = append(p.Lines, l)
	}
	add(lab, placeLinear, p)
}
