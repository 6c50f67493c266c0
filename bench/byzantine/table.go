package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"

	"github.com/fedrelu/fedrelu/internal/figure"
)

// writeCSV writes a line for each run.
func (t table) writeCSV(w io.Writer) error {
	lines := [][]string{{"rule", "attack", "seed", "test_accuracy"}}
	for i, rule := range t.rules {
		for j, attack := range t.attacks {
			for n, accuracy := range t.accuracy[i][j] {
				lines = append(lines, []string{rule.name, attack.name, strconv.Itoa(n + 1), written(accuracy)})
			}
		}
	}
	return csv.NewWriter(w).WriteAll(lines)
}

func written(accuracy float64) string {
	if math.IsNaN(accuracy) {
		return "diverged"
	}
	return strconv.FormatFloat(accuracy, 'f', 4, 64)
}

// ruinous is how much of its accuracy a rule loses to an attack at least, in percent of the images, to have its cell framed.
const ruinous = 5

// figure draws the means over seeds in percent.
func (t table) figure() figure.Figure {
	h := &figure.Heat{Format: "%.1f"}
	for _, attack := range t.attacks {
		h.XTicks = append(h.XTicks, attack.shown)
	}
	for i, rule := range t.rules {
		h.YTicks = append(h.YTicks, rule.shown)
		var row []float64
		var framed []bool
		for j := range t.attacks {
			row = append(row, percent(t.accuracy[i][j]))
			framed = append(framed, !(row[j] > row[0]-ruinous))
		}
		h.Values, h.Framed = append(h.Values, row), append(h.Framed, framed)
	}
	return figure.Figure{
		Title: fmt.Sprintf("What is left of the accuracy when %d of %d shards attack", t.attackers, t.spec.Shards.Count),
		Caption: fmt.Sprintf("%s after %d rounds, mean of %d seeds. sign_flip has scale 4, scaled_noise 100, same_value sends 1. "+
			"Rules know how many shards may attack, not which. Framed: the attack costs %d points or more.", filepath.Base(t.path), t.rounds, t.seeds, ruinous),
		Panels: []figure.Panel{{Title: "test accuracy (percent)", X: "attack", Y: "rule", Heat: h}},
	}
}

// percent is the mean of some accuracies, NaN if a run diverged.
func percent(accuracy []float64) float64 {
	mean := 0.0
	for _, a := range accuracy {
		mean += 100 * a / float64(len(accuracy))
	}
	return mean
}
