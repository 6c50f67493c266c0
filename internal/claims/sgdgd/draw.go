package sgdgd

import (
	"fmt"
	"strconv"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// frame is the paper's figure, to which several claims add panels.
var frame = figure.Figure{
	Title: "SGD against gradient descent: what no gradient reaches, and what never comes to rest",
	Caption: "Points are measured, dashed lines predicted from learning rate and weight decay alone. By updates all batch sizes lie on " +
		"one line, by epochs smaller batches forget N/B times as fast.",
	Columns: 2,
}

// The places of panels in the figure.
const (
	placeUpdates = iota
	placeEpochs
	placeFluctuation
	placeRanks
	placeColumns
	placeMovement
)

// drawOutside draws the part outside of the data's span against updates and against epochs.
func drawOutside(lab *claims.Lab, list []*arm) {
	byUpdate := figure.Panel{Title: "outside of the data's span, by update", X: "updates", Y: "||W (I-P)|| / start", LogY: true}
	byEpoch := figure.Panel{Title: "the same, by epoch", X: "epochs", Y: "||W (I-P)|| / start", LogY: true}
	table := claims.Table{Name: "sgd-vs-gd-outside", Columns: []string{"batch", "epoch", "updates", "measured", "predicted", "weight"}}
	for g, a := range list {
		var updates, epochs, measured, predicted []float64
		for i, m := range a.wide.measured {
			updates, epochs = append(updates, float64(a.wide.steps[i])), append(epochs, float64(i))
			measured = append(measured, m/a.wide.measured[0])
			predicted = append(predicted, a.wide.predicted[i]/a.wide.measured[0])
			table.Rows = append(table.Rows, []string{a.name, strconv.Itoa(i), strconv.Itoa(a.wide.steps[i]), number(m),
				number(a.wide.predicted[i]), number(a.wide.whole[i])})
		}
		byUpdate.Lines = append(byUpdate.Lines, pair(a.name, g+1, updates, measured, predicted)...)
		byEpoch.Lines = append(byEpoch.Lines, pair(a.name, g+1, epochs, measured, predicted)...)
	}
	lab.Tabulate(table)
	lab.DrawPanel("sgd-vs-gd", frame, placeUpdates, byUpdate)
	lab.DrawPanel("sgd-vs-gd", frame, placeEpochs, byEpoch)
}

// pair is a prediction and what was measured beside it, in one colour.
func pair(name string, group int, x, measured, predicted []float64) []figure.Line {
	return []figure.Line{
		{X: x, Y: predicted, Style: figure.Dashed, Group: group},
		{Name: name, X: x, Y: measured, Style: figure.Points, Group: group},
	}
}

func drawColumns(lab *claims.Lab, t *trace, dead int) {
	rounds := make([]float64, len(t.measured))
	table := claims.Table{Name: "sgd-vs-gd-columns", Columns: []string{"round", "measured", "predicted"}}
	for i := range rounds {
		rounds[i] = float64(i)
		table.Rows = append(table.Rows, []string{strconv.Itoa(i), number(t.measured[i]), number(t.predicted[i])})
	}
	lab.Tabulate(table)
	lab.DrawPanel("sgd-vs-gd", frame, placeColumns, figure.Panel{
		Title: fmt.Sprintf("columns of W_1 at %d inputs that are always zero", dead), X: "round", Y: "Frobenius norm",
		Lines: pair("measured", 1, rounds, t.measured, t.predicted),
	})
}

// drawRanks draws the mean rank of hidden weights over epochs, all seeds in one colour.
func drawRanks(lab *claims.Lab, ends [][2]*finish) {
	panel := figure.Panel{Title: "rank after equally many epochs", X: "epochs", Y: fmt.Sprintf("mean eps-rank, eps = %g", rankEps)}
	table := claims.Table{Name: "sgd-vs-gd-ranks", Columns: []string{"seed", "method", "epoch", "rank"}}
	for i, end := range ends {
		for m, name := range []string{"SGD", "GD"} {
			l := figure.Line{X: end[m].epochs, Y: end[m].ranks, Style: figure.Solid, Group: m + 1}
			if i == 0 {
				l.Name = name
			}
			panel.Lines = append(panel.Lines, l)
			for j, epoch := range end[m].epochs {
				table.Rows = append(table.Rows, []string{strconv.Itoa(i + 1), name, number(epoch), number(end[m].ranks[j])})
			}
		}
	}
	lab.Tabulate(table)
	lab.DrawPanel("sgd-vs-gd", frame, placeRanks, panel)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
