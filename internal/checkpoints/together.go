package checkpoints

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/analysis/theory"
)

// averageName is the name of the models' mean.
const averageName = "average"

var ofAverage = Place{Model: averageName}

// together measures several models beside each other and beside their mean, in which all weigh the same, and returns the mean.
func (m *meter) together(ctx context.Context) ([]float32, error) {
	mean := averaging.NewMean(m.layout.Size())
	for _, model := range m.models {
		mean.Add(1, model.Block)
	}
	average := &Model{Name: averageName, Layout: m.layout, Block: make([]float32, m.layout.Size())}
	mean.Write(average.Block)
	var err error
	if m.Average, err = m.model(ctx, average); err != nil {
		return nil, err
	}
	m.sayCancellation()
	m.sayFluctuation()
	m.sequence()
	return average.Block, errors.Join(m.drift(average.Block), m.curve(ctx), m.pairs(ctx), m.agreement())
}

// sayCancellation says how much of each weight's norm averaging has taken away (1.3 item 5).
func (m *meter) sayCancellation() {
	for i, l := range m.Average.Layers {
		var weights, norms []float64
		for _, one := range m.Models {
			if s := one.Layers[i].Spectrum; s != nil {
				weights, norms = append(weights, 1), append(norms, s.Frobenius)
			}
		}
		if l.Spectrum != nil && len(norms) == len(m.Models) {
			m.sayIf("cancellation", ofAverage.in(l.Name), theory.Cancellation(weights, norms, l.Spectrum.Frobenius))
		}
	}
}

// sayFluctuation says how much the singular values of each weight fluctuate over the files (P3 3.3 d).
func (m *meter) sayFluctuation() {
	for i, l := range m.Average.Layers {
		var f noise.Fluctuation
		measured := 0
		for _, one := range m.Models {
			if s := one.Layers[i].Spectrum; s != nil {
				f.Add(s.Values)
				measured++
			}
		}
		if measured == len(m.Models) {
			m.sayIf("fluctuation", ofAverage.in(l.Name), f.Relative())
		}
	}
}

// curve measures the mean of the first k models for all k: each is a model of the report.
func (m *meter) curve(ctx context.Context) error {
	meter := &averaging.Meter{Layout: m.layout, Ranks: m.opts.Ranks, Workspace: &m.workspace}
	if m.subject != nil {
		meter.Score = m.subject.score(ctx)
	}
	var weights []float64
	var blocks [][]float32
	for _, model := range m.models {
		weights, blocks = append(weights, 1), append(blocks, model.Block)
	}
	points, err := averaging.Curve(ctx, meter, weights, blocks)
	if err != nil {
		return err
	}
	for k, point := range points {
		at := Place{Model: fmt.Sprintf("mean of %d", k+1)}
		m.Curve = append(m.Curve, Measured{Name: at.Model, Values: m.layout.Size(), Layers: point.Layers})
		m.sayLayers(at, point.Layers)
		if point.Loss != nil {
			m.sayScore(at, point.Loss, point.Accuracy)
		}
	}
	return nil
}

// drift says how far the models are from their mean (M6), and with data how far their gradients are from that at the mean (M5) and
// how many gates differ (M7): all over the same probe, as a whole and by layer.
func (m *meter) drift(mean []float32) error {
	compare, flips := m.comparer(mean)
	var samples []analysis.Sample
	var modules [][]analysis.ModuleSample
	for i, model := range m.models {
		whole, parts, err := compare(i, model.Block)
		if err != nil {
			m.note("no drift: " + err.Error())
			return nil
		}
		whole.Weight = 1
		for j := range parts {
			parts[j].Weight = 1
		}
		samples, modules = append(samples, whole), append(modules, parts)
	}
	all, err := analysis.Combine(samples)
	if err != nil {
		return err
	}
	layers, err := analysis.CombineModules(modules)
	if err != nil {
		return err
	}
	m.sayDrift(ofAverage, all)
	for _, l := range layers {
		m.sayDrift(ofAverage.in(l.Name), l.Drift)
	}
	for _, f := range flips.Take() {
		m.say("flips", ofAverage.in(f.Name), f.Fraction)
	}
	return nil
}

func (m *meter) sayDrift(at Place, d *analysis.Drift) {
	m.say("divergence", at, d.Divergence)
	m.sayIf("divergence_rel", at, d.DivergenceRel)
	if m.subject == nil {
		return
	}
	m.say("drift", at, d.Drift)
	m.sayIf("drift_rel", at, d.DriftRel)
	m.say("drift_max", at, d.DriftMax)
	m.sayIf("cosine", at, d.Cosine)
	m.sayIf("lipschitz", at, d.Lipschitz)
}
