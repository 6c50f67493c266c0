package view

import (
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/checkpoints"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// The bounds of what is drawn of checkpoints.
const (
	mostPanels = 12
	mostModels = 12
)

// Figures returns what there is to draw: the spectra of every matrix, and of several models the averaging curve.
func (d Analyze) Figures() []claims.Drawing {
	out := []claims.Drawing{{Name: "spectra", Figure: spectra(d.report)}}
	if d.report.Average != nil {
		out = append(out, claims.Drawing{Name: "averaging", Figure: averagingCurve(d.report)})
	}
	return out
}

// spectra draws the singular values of each matrix relative to the largest, a line for each model.
func spectra(r *checkpoints.Report) *figure.Figure {
	f := &figure.Figure{Title: "Singular values", Caption: "Relative to the largest one of each matrix. The dotted line is the threshold of the eps-rank at eps = 0.001: what lies below it does not count."}
	models := r.Models[:min(len(r.Models), mostModels)]
	if r.Average != nil {
		models = append(models[:len(models):len(models)], *r.Average)
	}
	if len(r.Models) > mostModels {
		f.Caption += fmt.Sprintf(" Only the first %d of %d models are drawn.", mostModels, len(r.Models))
	}
	for i, layer := range r.Models[0].Layers {
		if len(f.Panels) == mostPanels {
			f.Caption += fmt.Sprintf(" Only the first %d matrices are drawn.", mostPanels)
			break
		}
		p := figure.Panel{Title: layer.Name, X: "index", Y: "singular value / largest", LogY: true,
			Marks: []figure.Mark{{Name: "eps = 0.001", At: analysis.Epsilons()[0]}}}
		for _, m := range models {
			if s := m.Layers[i].Spectrum; s != nil {
				p.Lines = append(p.Lines, spectrumLine(m.Name, s.Values))
			}
		}
		if len(p.Lines) > 0 {
			f.Panels = append(f.Panels, p)
		}
	}
	return f
}

// spectrumLine leaves out what lies below the rounding of float32, which says nothing and would take most of the room.
func spectrumLine(name string, values []float64) figure.Line {
	line := figure.Line{Name: name}
	for i, v := range values {
		if values[0] > 0 && v/values[0] > 1e-7 {
			line.X, line.Y = append(line.X, float64(i+1)), append(line.Y, v/values[0])
		}
	}
	return line
}

// averagingCurve draws what the mean of the first k models is like, k from 1.
func averagingCurve(r *checkpoints.Report) *figure.Figure {
	f := &figure.Figure{Title: "What averaging does", Caption: "Each point is the mean of the first k models in the order of the command line. Ranks are means over all matrices but the last."}
	effective := figure.Line{Name: "effective rank", Style: figure.LinePoints}
	counted := figure.Line{Name: "eps-rank at 0.001", Style: figure.LinePoints}
	losses := figure.Line{Style: figure.LinePoints}
	for k, c := range r.Curve {
		x := float64(k + 1)
		if ranks, _ := analysis.AverageRanks(c.Layers); ranks != nil {
			effective.X, effective.Y = append(effective.X, x), append(effective.Y, ranks.EffectiveRank)
			counted.X, counted.Y = append(counted.X, x), append(counted.Y, ranks.Ranks[0])
		}
		if loss := r.Value(checkpoints.Place{Model: c.Name}, "test_loss"); loss != nil {
			losses.X, losses.Y = append(losses.X, x), append(losses.Y, *loss)
		}
	}
	f.Panels = append(f.Panels, figure.Panel{Title: "ranks", X: "models averaged, k", Y: "mean rank", Lines: []figure.Line{effective, counted}})
	if len(losses.X) > 0 {
		f.Panels = append(f.Panels, figure.Panel{Title: "loss", X: "models averaged, k", Y: "test loss", Lines: []figure.Line{losses}})
	}
	return f
}
