package claims

import (
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Hidden returns the weights whose ranks the papers average: all but the last, the classifier (M9).
func Hidden(net *relu.Network) []tensor.View {
	var views []tensor.View
	layout := net.Layout()
	for i := range layout.Len() {
		view := layout.At(i)
		if _, _, matrix := view.Matrix(); matrix && !view.Buffer {
			views = append(views, view)
		}
	}
	return views[:max(0, len(views)-1)]
}

// Spectra returns the singular values of the hidden weights of a model, in the order of Hidden.
func Spectra(net *relu.Network, params []float32) ([][]float64, error) {
	var w analysis.Workspace
	var out [][]float64
	for _, view := range Hidden(net) {
		rows, cols, _ := view.Matrix()
		values, err := w.Values(tensor.Of(params, view), rows, cols)
		if err != nil {
			return nil, fmt.Errorf("singular values of %s: %w", view.Name, err)
		}
		out = append(out, slices.Clone(values))
	}
	return out, nil
}

// MeanOf returns the mean of a number over the hidden weights: of analysis.EffectiveRank, the average effective rank (M9).
func MeanOf(spectra [][]float64, number func(s []float64) float64) float64 {
	sum := 0.0
	for _, s := range spectra {
		sum += number(s) / float64(len(spectra))
	}
	return sum
}

// EpsRank returns analysis.EpsRank at a threshold as a number for MeanOf.
func EpsRank(eps float64) func(s []float64) float64 {
	return func(s []float64) float64 { return float64(analysis.EpsRank(s, eps)) }
}
