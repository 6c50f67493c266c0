package fedavg

import (
	"math"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// drawn is what the claims of one laboratory have measured so far.
type drawn struct {
	ids     []string
	results map[string][]*result
}

// groups names the cells of each claim in the figure.
var groups = map[string]string{"A1.1": "2NN, IID", "A1.2": "2NN, two digits a shard", "A1.4": "2NN, whole shards", "A1.5": "CNN, IID"}

// draw shows rounds beside the paper's, and the learning curves of the cells with a tenth of the shards a round.
func draw(lab *claims.Lab, id string, results []*result) {
	d, _ := claims.Once(lab, "fedavg drawn", func() (*drawn, error) { return &drawn{results: map[string][]*result{}}, nil })
	if d.results[id] == nil {
		d.ids = append(d.ids, id)
	}
	d.results[id] = results
	lab.Draw("fedavg", &figure.Figure{
		Title:   "FedAvg on MNIST: rounds to the target accuracy",
		Caption: "Left: each cell of the paper's tables, below the dashed line where it took fewer rounds than the paper's. Right: test accuracy, one line a seed.",
		Columns: 2,
		Panels:  []figure.Panel{d.against(), d.curves()},
	})
}

func (d *drawn) against() figure.Panel {
	p := figure.Panel{Title: "Rounds beside the paper's", X: "rounds in the paper", Y: "rounds here", LogX: true, LogY: true}
	low, high := math.Inf(1), math.Inf(-1)
	for _, id := range d.ids {
		line := figure.Line{Name: groups[id], Style: figure.Points}
		for _, r := range d.results[id] {
			for _, run := range r.Runs {
				line.X, line.Y = append(line.X, float64(r.paper)), append(line.Y, run.Rounds)
			}
			low, high = min(low, float64(r.paper)), max(high, float64(r.paper))
		}
		p.Lines = append(p.Lines, line)
	}
	p.Lines = append(p.Lines, figure.Line{Name: "as many as the paper", X: []float64{low / 1.5, high * 1.5}, Y: []float64{low / 1.5, high * 1.5}, Style: figure.Dashed})
	return p
}

func (d *drawn) curves() figure.Panel {
	p := figure.Panel{Title: "Learning curves, a tenth of the shards a round", X: "round", Y: "test accuracy", LogX: true}
	for group, id := range []string{"A1.1", "A1.2"} {
		for _, r := range d.results[id] {
			if strings.HasSuffix(r.name, "C=0.1") {
				p.Lines = append(p.Lines, learning(r, groups[id], group+1)...)
				p.Marks = []figure.Mark{{Name: "target", At: r.Runs[0].Target}}
			}
		}
	}
	return p
}

// learning returns the curves of a cell's runs, the first of which has the name.
func learning(r *result, name string, group int) []figure.Line {
	var lines []figure.Line
	for i, run := range r.Runs {
		lines = append(lines, figure.Line{X: run.Curve[0], Y: run.Curve[1], Group: group})
		if i == 0 {
			lines[0].Name = name
		}
	}
	return lines
}
