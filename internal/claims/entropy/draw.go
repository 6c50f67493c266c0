package entropy

import (
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// bySlope writes the mean at each slope.
func bySlope(t table, format string) string {
	var words []string
	for i, m := range t.means() {
		words = append(words, fmt.Sprintf("%v: "+format, t.slopes[i], m))
	}
	return strings.Join(words, ", ")
}

func writeDown(lab *claims.Lab, name string, t table) {
	out := claims.Table{Name: name, Columns: []string{"slope", "seed", "value"}}
	for i, row := range t.values {
		for k, v := range row {
			out.Rows = append(out.Rows, []string{fmt.Sprint(t.slopes[i]), fmt.Sprint(k + 1), fmt.Sprint(v)})
		}
	}
	lab.Tabulate(out)
}

// line is a table's mean by slope with its 95% interval.
func line(name string, t table) figure.Line {
	l := figure.Line{Name: name, X: t.slopes, Style: figure.LinePoints}
	for i, m := range t.means() {
		_, ci, ok := claims.Interval(t.values[i])
		if !ok {
			ci = [2]float64{m, m}
		}
		l.Y, l.Lo, l.Hi = append(l.Y, m), append(l.Lo, ci[0]), append(l.Hi, ci[1])
	}
	return l
}

var frame = figure.Figure{
	Title:   "What the slope of a leaky ReLU does",
	Caption: "Means over paired seeds with 95% intervals.",
	Columns: 2,
}

// The places of the panels in the figure over slopes.
const (
	placeWide = iota
	placeNarrow
	placeRegression
	placeDepth
	placeTransfer
	placeTracking
	placeWider
	placeShapes
)

func addPanel(lab *claims.Lab, place int, p figure.Panel) {
	lab.DrawPanel("entropy-slopes", frame, place, p)
}

func drawAccuracy(lab *claims.Lab, place int, what string, t table) {
	addPanel(lab, place, figure.Panel{Title: "MNIST, " + what, X: "slope a", Y: "test accuracy", Lines: []figure.Line{line("", t)}})
}

func drawRegression(lab *claims.Lab, t table) {
	addPanel(lab, placeRegression, figure.Panel{Title: "Regression", X: "slope a", Y: "validation loss", Lines: []figure.Line{line("", t)}})
}

func drawTransfer(lab *claims.Lab, t table) {
	addPanel(lab, placeTransfer, figure.Panel{Title: "Heads on frozen features", X: "slope a", Y: "validation loss", Lines: []figure.Line{line("", t)}})
}

func drawTracking(lab *claims.Lab, lost, loss table) {
	p := figure.Panel{Title: "Entropy and loss, one point a run", X: "relative loss of entropy", Y: "validation loss"}
	for i, a := range lost.slopes {
		p.Lines = append(p.Lines, figure.Line{Name: fmt.Sprintf("a = %v", a), X: lost.values[i], Y: loss.values[i], Style: figure.Points})
	}
	addPanel(lab, placeTracking, p)
}

func drawDepth(lab *claims.Lab, trials [][]*trial) {
	l := figure.Line{Style: figure.LinePoints}
	for i, row := range trials {
		l.X, l.Y = append(l.X, float64(i+2)), append(l.Y, lastMean(row))
	}
	addPanel(lab, placeDepth, figure.Panel{Title: "Layers of one width", X: "hidden layers", Y: "entropy a layer, nats", Lines: []figure.Line{l}})
}

// drawProfiles shows the entropy of each layer over the epochs, a line for each slope: the paper's figure.
func drawProfiles(lab *claims.Lab, trials [][]*trial) {
	layers := len(trials[0][0].Entropy[0])
	f := &figure.Figure{Title: "Entropy of hidden layers in training", Columns: 3,
		Caption: "Mean over seeds of the entropy of mini-batches, as the paper defines it: at least ln 100 = 4.61."}
	t := claims.Table{Name: "entropy-profile", Columns: []string{"slope", "seed", "epoch", "layer", "entropy"}}
	for layer := range layers {
		p := figure.Panel{Title: fmt.Sprintf("Hidden layer %d", layer+1), X: "epoch", Y: "entropy, nats"}
		for i, row := range trials {
			l := curve(row, layer, func(epoch, seed int, h float64) {
				t.Rows = append(t.Rows, []string{fmt.Sprint(profileSlopes[i]), fmt.Sprint(seed), fmt.Sprint(epoch), fmt.Sprint(layer + 1), fmt.Sprint(h)})
			})
			l.Name = fmt.Sprintf("a = %v", profileSlopes[i])
			p.Lines = append(p.Lines, l)
		}
		f.Panels = append(f.Panels, p)
	}
	lab.Draw("entropy-profile", f)
	lab.Tabulate(t)
}

// curve returns the mean over the trainings of a layer's entropy by epoch, and calls each for every value.
func curve(trials []*trial, layer int, each func(epoch, seed int, h float64)) figure.Line {
	n := len(trials[0].Entropy)
	l := figure.Line{X: make([]float64, n), Y: make([]float64, n)}
	for k, t := range trials {
		for epoch, h := range t.Entropy {
			l.X[epoch] = float64(epoch + 1)
			l.Y[epoch] += h[layer] / float64(len(trials))
			each(epoch+1, k+1, h[layer])
		}
	}
	return l
}

// epochMeans writes the mean entropy of the wide layers by slope, in an epoch counted from 0, or from the end with -1.
func epochMeans(trials [][]*trial, epoch int) string {
	var words []string
	for i, row := range trials {
		sum := 0.0
		for _, t := range row {
			at := (epoch + len(t.Entropy)) % len(t.Entropy)
			sum += claims.Mean(t.Entropy[at][:wideLayers]) / float64(len(row))
		}
		words = append(words, fmt.Sprintf("%v: %.2f", profileSlopes[i], sum))
	}
	return strings.Join(words, ", ")
}

// lossByLayer writes which part of its entropy each layer loses, for the least and the largest slope.
func lossByLayer(trials [][]*trial) string {
	var words []string
	for _, i := range []int{0, 1, len(trials) - 1} {
		var parts []string
		for layer := range trials[i][0].Entropy[0] {
			sum := 0.0
			for _, t := range trials[i] {
				sum += 100 * t.relative()[layer] / float64(len(trials[i]))
			}
			parts = append(parts, fmt.Sprintf("%.0f", sum))
		}
		words = append(words, fmt.Sprintf("a = %v: %s", profileSlopes[i], strings.Join(parts, "/")))
	}
	return strings.Join(words, "; ")
}
