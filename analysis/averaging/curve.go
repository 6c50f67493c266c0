package averaging

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Meter is what models are measured with. One goroutine uses it at a time.
type Meter struct {
	Layout    *tensor.Layout
	Ranks     analysis.RankOptions
	Workspace *analysis.Workspace
	Score     func(params []float32) (loss, accuracy float64, err error) // nil: losses are not measured
}

// Measured is one model.
type Measured struct {
	Layers         []analysis.Layer
	Loss, Accuracy *float64 // nil where nothing is scored
}

func (m *Meter) measure(ctx context.Context, params []float32) (Measured, error) {
	layers, err := m.Workspace.Layers(ctx, m.Layout, params, m.Ranks)
	if err != nil || m.Score == nil {
		return Measured{Layers: layers}, err
	}
	loss, accuracy, err := m.Score(params)
	if err != nil {
		return Measured{}, fmt.Errorf("scoring a mean: %w", err)
	}
	return Measured{layers, &loss, &accuracy}, nil
}

// Curve measures the mean of the first k models for k = 1..K, in the order given (7b): the averaging curve of a round's local
// models. Weights are p_k up to a common factor.
func Curve(ctx context.Context, m *Meter, weights []float64, models [][]float32) ([]Measured, error) {
	mean, params := NewMean(m.Layout.Size()), make([]float32, m.Layout.Size())
	var points []Measured
	for k, model := range models {
		mean.Add(weights[k], model)
		mean.Write(params)
		point, err := m.measure(ctx, params)
		if err != nil {
			return nil, fmt.Errorf("mean of %d models: %w", k+1, err)
		}
		points = append(points, point)
	}
	return points, nil
}

// Moment is the local models of a round at one step, beside their virtual average: one point of the saw-tooth.
type Moment struct {
	Average       Measured
	Locals        []Measured
	Divergence    float64    // V = sum p_k ||W_k - Wbar||^2 (M6)
	DivergenceRel *float64   // sqrt(V) / ||Wbar||, nil if Wbar is 0
	Cancellation  []*float64 // kappa of each layer of Average.Layers (1.3 item 5), nil where a norm was not measured
}

// At measures local models and their mean at one moment. Weights are p_k up to a common factor, at least one.
func At(ctx context.Context, m *Meter, weights []float64, models [][]float32) (*Moment, error) {
	mean, params := NewMean(m.Layout.Size()), make([]float32, m.Layout.Size())
	var moment Moment
	for k, model := range models {
		mean.Add(weights[k], model)
		local, err := m.measure(ctx, model)
		if err != nil {
			return nil, fmt.Errorf("local model %d: %w", k, err)
		}
		moment.Locals = append(moment.Locals, local)
	}
	mean.Write(params)
	var err error
	if moment.Average, err = m.measure(ctx, params); err != nil {
		return nil, fmt.Errorf("virtual average: %w", err)
	}
	keep := parameters(m.Layout)
	moment.Divergence = divergence(weights, models, params, keep)
	norm := math.Sqrt(divergence([]float64{1}, [][]float32{params}, make([]float32, len(params)), keep))
	if norm > 0 {
		rel := math.Sqrt(moment.Divergence) / norm
		moment.DivergenceRel = &rel
	}
	for i := range moment.Average.Layers {
		moment.Cancellation = append(moment.Cancellation, moment.cancellation(weights, i))
	}
	return &moment, nil
}

func (m *Moment) cancellation(weights []float64, layer int) *float64 {
	average := m.Average.Layers[layer].Spectrum
	if average == nil {
		return nil
	}
	var norms []float64
	for _, local := range m.Locals {
		s := local.Layers[layer].Spectrum
		if s == nil {
			return nil
		}
		norms = append(norms, s.Frobenius)
	}
	return theory.Cancellation(weights, norms, average.Frobenius)
}

// parameters says which numbers of a block are no buffers.
func parameters(layout *tensor.Layout) []bool {
	keep := make([]bool, layout.Size())
	for i := range layout.Len() {
		v := layout.At(i)
		for j := range v.Size {
			keep[v.Offset+j] = !v.Buffer
		}
	}
	return keep
}
