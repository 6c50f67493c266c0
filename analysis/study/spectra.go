package study

import (
	"context"
	"fmt"
	"strconv"

	"github.com/fedrelu/fedrelu/analysis"
)

// measureLocalRanks says the ranks of the local models and of what they are compared with (M10): "rank", "rank.0.001" and so on,
// "stable_rank", "effective_rank", "roy_vetterli_rank", "frobenius", "spectral", and "energy.1" to "energy.5" in the largest singular
// values of each weight, and the means of ranks over all weights but the last (M9) without a layer; and beside them sayCrossovers.
func measureLocalRanks(ctx context.Context, m *measurement) error {
	for i, k := range m.Shards {
		if err := m.sayRanks(ctx, of(k), m.ends[i]); err != nil {
			return err
		}
	}
	if err := m.sayRanks(ctx, m.average(), m.model); err != nil {
		return err
	}
	return m.sayCrossovers(ctx)
}

func (m *measurement) sayRanks(ctx context.Context, at place, params []float32) error {
	layers, err := m.layersOf(ctx, at, params)
	if err != nil {
		return err
	}
	m.sayLayers("", at, layers)
	for _, l := range layers {
		if l.Spectrum == nil {
			continue
		}
		for k := 1; k <= len(l.Spectrum.Top); k++ {
			m.say("energy."+strconv.Itoa(k), at.in(l.Name), analysis.Energy(l.Spectrum.Values, k))
		}
	}
	return nil
}

// layersOf measures the weights of a local model or of the average, once.
func (m *measurement) layersOf(ctx context.Context, at place, params []float32) ([]analysis.Layer, error) {
	if known, ok := m.layers[at.shard]; ok {
		return known, nil
	}
	layers, err := m.workspace.Layers(ctx, m.layout(), params, m.ranks())
	if err != nil {
		return nil, fmt.Errorf("ranks: %w", err)
	}
	m.layers[at.shard] = layers
	return layers, nil
}

// SingularValue is what LocalSpectra says: one of the singular values of a weight, the largest as step 1.
const SingularValue = "singular_value"

// measureLocalSpectra says all singular values of the local models' weights, and of their mean's where the rule makes another model
// of it: who keeps those of the round's model can then compare the ranks of average and local models at every eps.
func measureLocalSpectra(ctx context.Context, m *measurement) error {
	for i, k := range m.Shards {
		if err := m.saySingularValues(ctx, of(k), m.ends[i]); err != nil {
			return err
		}
	}
	if m.Model() == Mean && !m.Algorithm.Rule.TakesMean() {
		return m.saySingularValues(ctx, m.average(), m.model)
	}
	return nil
}

func (m *measurement) saySingularValues(ctx context.Context, at place, params []float32) error {
	layers, err := m.layersOf(ctx, at, params)
	if err != nil {
		return err
	}
	for _, l := range layers {
		if l.Spectrum == nil {
			m.miss(SingularValue, l.Name+": "+l.Reason)
			continue
		}
		for i, s := range l.Spectrum.Values {
			m.say(SingularValue, at.in(l.Name).at(i+1), s)
		}
	}
	return nil
}

// sayLayers says what layers have been measured; the names of quantities begin with prefix.
func (m *measurement) sayLayers(prefix string, at place, layers []analysis.Layer) {
	for _, l := range layers {
		if l.Spectrum == nil {
			m.miss(prefix+"rank", l.Name+": "+l.Reason)
			continue
		}
		m.saySpectrum(prefix, at.in(l.Name), l.Spectrum)
	}
	mean, reason := analysis.AverageRanks(layers)
	if mean == nil {
		m.miss(prefix+"rank", "mean over layers: "+reason)
		return
	}
	m.say(prefix+"rank", at, mean.Rank)
	for i, eps := range analysis.Epsilons() {
		m.say(prefix+rankAt(eps), at, mean.Ranks[i])
	}
	m.say(prefix+"stable_rank", at, mean.StableRank)
	m.say(prefix+"effective_rank", at, mean.EffectiveRank)
}

func (m *measurement) saySpectrum(prefix string, at place, s *analysis.Spectrum) {
	m.say(prefix+"rank", at, float64(s.Rank))
	for i, eps := range analysis.Epsilons() {
		m.say(prefix+rankAt(eps), at, float64(s.Ranks[i]))
	}
	m.say(prefix+"stable_rank", at, s.StableRank)
	m.say(prefix+"effective_rank", at, s.EffectiveRank)
	m.say(prefix+"roy_vetterli_rank", at, s.RoyVetterli)
	m.say(prefix+"frobenius", at, s.Frobenius)
	m.say(prefix+"spectral", at, s.Spectral)
}

// rankAt is the name of the eps-rank at eps.
func rankAt(eps float64) string { return "rank." + strconv.FormatFloat(eps, 'g', -1, 64) }
