package averagingrank

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// shown is the batch of the panels that show some runs of the grid.
const shown = 4

// drawNetworks draws the panels that come from the grid.
func drawNetworks(lab *claims.Lab, runs []*trained) {
	lab.DrawPanel("averaging-rank", frame, placeEps, overEps(runs))
	lab.DrawPanel("averaging-rank", frame, placeHeat, heat(lab, runs))
	lab.DrawPanel("averaging-rank", frame, placeCollapse, collapse(runs))
	lab.DrawPanel("averaging-rank", frame, placeCurve, averagingCurves(runs))
}

// longest returns the first run of a network with the longest local phases and most workers, nil if there is none.
func longest(runs []*trained, net string) *trained {
	var best *trained
	for _, r := range runs {
		if r.net != net || r.members == nil || r.sorted || r.batch != shown || r.seed != 1 || !r.gated() {
			continue
		}
		if best == nil || r.workers*r.steps > best.workers*best.steps {
			best = r
		}
	}
	return best
}

// overEps shows eps-ranks of an average and of its members over eps, with the predicted crossover.
func overEps(runs []*trained) figure.Panel {
	p := figure.Panel{Title: "Average and members", X: "eps (dotted: predicted crossover eps*)", Y: "eps-rank of the last hidden weight", LogX: true}
	for i, net := range []string{layerNorm, plain} {
		r := longest(runs, net)
		if r == nil {
			continue
		}
		average := figure.Line{Name: netName(net) + ", average", Group: i + 1}
		local := figure.Line{Name: netName(net) + ", members", Group: i + 1, Style: figure.Points}
		for e := -3.5; e <= -0.4; e += 0.1 {
			eps := math.Pow(10, e)
			average.X, average.Y = append(average.X, eps), append(average.Y, float64(analysis.EpsRank(r.average, eps)))
			local.X, local.Y = append(local.X, eps), append(local.Y, claims.MeanOf(r.members, claims.EpsRank(eps)))
		}
		p.Lines = append(p.Lines, average, local)
		p.Marks = append(p.Marks, figure.Mark{Name: "eps* " + netName(net), At: r.crossover, Vertical: true})
		p.Title = fmt.Sprintf("Average and members, K=%d, H=%d", r.workers, r.steps)
	}
	return p
}

// heat shows the effective rank of the average over workers and local steps, framed where the gate is passed.
func heat(lab *claims.Lab, runs []*trained) figure.Panel {
	a := axesOf(lab)
	decay := a.decays[len(a.decays)/2]
	h := &figure.Heat{Format: "%.1f"}
	for _, steps := range a.steps {
		h.XTicks = append(h.XTicks, fmt.Sprintf("H=%d", steps))
	}
	for _, net := range []string{plain, layerNorm} {
		for _, workers := range a.workers {
			row, framed := heatRow(a, runs, cell{net: net, workers: workers, batch: shown, decay: decay})
			h.YTicks = append(h.YTicks, fmt.Sprintf("%s K=%d", netName(net), workers))
			h.Values, h.Framed = append(h.Values, row), append(h.Framed, framed)
		}
	}
	return figure.Panel{Title: "Effective rank of the average", X: fmt.Sprintf("local steps, B=%d, lr wd %g; framed: gate passed", shown, decay), Y: "network, workers", Heat: h}
}

// heatRow returns the mean effective ranks of a cell over H, NaN where there is no run, and whether they have passed the gate.
func heatRow(a axes, runs []*trained, c cell) ([]float64, []bool) {
	row, framed := make([]float64, len(a.steps)), make([]bool, len(a.steps))
	groups := groupsOf(runs)
	for i := range row {
		row[i], c.steps = math.NaN(), a.steps[i]
		for _, g := range groups {
			c.id = g.id
			if g.cell == c {
				row[i], framed[i] = g.mean((*trained).effective), g.gated()
			}
		}
	}
	return row, framed
}

// collapse shows effective ranks on their way against Lambda.
func collapse(runs []*trained) figure.Panel {
	p := figure.Panel{Title: "All runs over the decay budget", X: "Lambda = sum of lr wd", Y: "effective rank"}
	for i, net := range []string{layerNorm, plain} {
		line := figure.Line{Name: netName(net), Style: figure.Points, Group: i + 1}
		for _, r := range runs {
			if r.net == net && !r.sorted {
				line.X, line.Y = append(line.X, r.path[0]...), append(line.Y, r.path[1]...)
			}
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}

// averagingCurves shows effective rank over the number of members that are averaged.
func averagingCurves(runs []*trained) figure.Panel {
	p := figure.Panel{Title: "Mean of k members", X: "members averaged, k", Y: "relative to one member"}
	for i, net := range []string{layerNorm, plain} {
		r := longest(runs, net)
		if r == nil {
			continue
		}
		rank := figure.Line{Name: netName(net) + ", effective rank", Style: figure.LinePoints, Group: i + 1}
		error := figure.Line{Name: netName(net) + ", test error", Group: i + 1}
		for k := range r.curve[0] {
			x := float64(k + 1)
			rank.X, rank.Y = append(rank.X, x), append(rank.Y, r.curve[0][k]/r.curve[0][0])
			error.X, error.Y = append(error.X, x), append(error.Y, (1-r.curve[1][k])/(1-r.curve[1][0]))
		}
		p.Lines = append(p.Lines, rank, error)
		p.Title = fmt.Sprintf("Mean of k members, K=%d, H=%d", r.workers, r.steps)
	}
	return p
}
