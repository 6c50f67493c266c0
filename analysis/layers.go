package analysis

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// RankOptions says at which threshold and up to which size layers are measured.
type RankOptions struct {
	Epsilon float64 // threshold of Spectrum.Rank, in (0, 1); checks.rank.epsilon of the spec
	MaxSide int     // layers whose smaller side exceeds it are left out; 0: none is; checks.rank.max_side
}

// Epsilons returns the thresholds of Spectrum.Ranks, in their order.
func Epsilons() [3]float64 { return [3]float64{0.001, 0.01, 0.05} }

// TopValues is the number of largest singular values that a Spectrum keeps.
const TopValues = 5

// Spectrum is what the singular values of one weight matrix say (M9, names of M20).
type Spectrum struct {
	Rank          int       // eps-rank at RankOptions.Epsilon
	Ranks         [3]int    // eps-ranks at Epsilons
	StableRank    float64   // ||W||_F^2 / ||W||_2^2
	EffectiveRank float64   // exp of the entropy of s_i^2/||W||_F^2
	RoyVetterli   float64   // exp of the entropy of s_i/sum s, Roy and Vetterli's effective rank
	Top           []float64 // the largest singular values, descending, at most TopValues
	Frobenius     float64   // ||W||_F
	Spectral      float64   // ||W||_2
	Values        []float64 // all singular values, descending
}

// Layer is the measurement of one weight.
type Layer struct {
	Name     string    // of the tensor, as export writes it
	Shape    []int     // of the tensor; a convolution is measured as out x (in kh kw)
	Spectrum *Spectrum // nil where Reason says why there is none
	Reason   string
	Warning  string // not empty: the Spectrum is to be read with care, and why
}

// coarseBelow is the largest value below which the fixed-point grid of the exact mean keeps fewer bits than float32 has.
const coarseBelow = 1e-9

// Measure returns the Spectrum of singular values s in descending order. It keeps nothing of s.
func Measure(s []float64, epsilon float64) *Spectrum {
	spectrum := &Spectrum{
		Rank:          EpsRank(s, epsilon),
		StableRank:    StableRank(s),
		EffectiveRank: EffectiveRank(s),
		RoyVetterli:   RoyVetterliRank(s),
		Top:           append([]float64(nil), s[:min(TopValues, len(s))]...),
		Frobenius:     Frobenius(s),
		Values:        slices.Clone(s),
	}
	for i, eps := range Epsilons() {
		spectrum.Ranks[i] = EpsRank(s, eps)
	}
	if len(s) > 0 {
		spectrum.Spectral = s[0]
	}
	return spectrum
}

// Layers measures every parameter of two or more dimensions in the block, in the order of the layout, output layer
// included. The block is not changed. A layer that cannot be measured is in the result with its reason. The context is
// looked at between layers, and its error returned without a result.
func (w *Workspace) Layers(ctx context.Context, layout *tensor.Layout, block []float32, opts RankOptions) ([]Layer, error) {
	var layers []Layer
	for i := range layout.Len() {
		view := layout.At(i)
		if _, _, matrix := view.Matrix(); !matrix || view.Buffer {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("measuring the rank of %s: %w", view.Name, err)
		}
		layers = append(layers, w.layer(view, tensor.Of(block, view), opts))
	}
	return layers, nil
}

func (w *Workspace) layer(view tensor.View, values []float32, opts RankOptions) Layer {
	layer := Layer{Name: view.Name, Shape: append([]int(nil), view.Shape...)}
	rows, cols, _ := view.Matrix()
	if side := min(rows, cols); opts.MaxSide > 0 && side > opts.MaxSide {
		layer.Reason = fmt.Sprintf("smaller side %d exceeds max_side %d", side, opts.MaxSide)
		return layer
	}
	s, err := w.Values(values, rows, cols)
	if err != nil {
		layer.Reason = err.Error()
		return layer
	}
	layer.Spectrum = Measure(s, opts.Epsilon)
	if largest := maxAbs(values); largest > 0 && largest < coarseBelow {
		layer.Warning = fmt.Sprintf("all values are below %g, where the exact mean keeps fewer bits", float64(coarseBelow))
	}
	return layer
}

func maxAbs(values []float32) float64 {
	largest := 0.0
	for _, v := range values {
		largest = max(largest, math.Abs(float64(v)))
	}
	return largest
}
