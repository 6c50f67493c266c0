package coordinator

import (
	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// layerRecord is what is stored of a layer; full keeps all singular values.
func layerRecord(l analysis.Layer, positions int, epsilon float64, full bool) record.Layer {
	out := record.Layer{Name: l.Name, Shape: l.Shape, Reason: l.Reason, Warning: l.Warning, Positions: positions}
	if l.Spectrum == nil {
		return out
	}
	out.Spectrum = &record.Spectrum{
		Rank: l.Spectrum.Rank, Epsilon: epsilon, StableRank: l.Spectrum.StableRank, EffectiveRank: l.Spectrum.EffectiveRank,
		Top: l.Spectrum.Top, Frobenius: l.Spectrum.Frobenius, Spectral: l.Spectrum.Spectral,
	}
	if full {
		out.Spectrum.Values = l.Spectrum.Values
	}
	for i, eps := range analysis.Epsilons() {
		out.Spectrum.Ranks = append(out.Spectrum.Ranks, record.RankAt{Epsilon: eps, Rank: l.Spectrum.Ranks[i]})
	}
	return out
}

// combineDrift brings the samples of a round together, as a whole and for each layer (M5 to M7, M19). Each carries its weight.
func combineDrift(samples []wire.DriftSample) (*record.Drift, error) {
	var whole []analysis.Sample
	var modules [][]analysis.ModuleSample
	var weights []float64
	var flips [][]activity.Flip
	for _, s := range samples {
		whole, modules = append(whole, s.Sample), append(modules, s.Modules)
		weights, flips = append(weights, s.Sample.Weight), append(flips, s.Flips)
	}
	d, err := analysis.Combine(whole)
	if err != nil {
		return nil, err
	}
	layers, err := analysis.CombineModules(modules)
	if err != nil {
		return nil, err
	}
	out := &record.Drift{
		Shards: d.Shards, Drift: &d.Drift, DriftRel: d.DriftRel, DriftMax: &d.DriftMax, Cosine: d.Cosine,
		Divergence: &d.Divergence, DivergenceRel: d.DivergenceRel, Lipschitz: d.Lipschitz,
	}
	probes := make(map[int]int, len(samples))
	for _, s := range samples {
		probes[s.Sample.Shard] = s.Probe
	}
	for _, k := range out.Shards {
		out.Probes, out.Probe = append(out.Probes, probes[k]), max(out.Probe, probes[k])
	}
	for _, l := range layers {
		out.Modules = append(out.Modules, record.ModuleDrift{
			Name: l.Name, Drift: &l.Drift.Drift, DriftRel: l.DriftRel, DriftMax: &l.DriftMax, Cosine: l.Cosine,
			Divergence: &l.Divergence, DivergenceRel: l.DivergenceRel, Lipschitz: l.Lipschitz,
		})
	}
	if out.Flips, err = activity.MeanFlips(weights, flips); err != nil {
		return nil, err
	}
	return out, nil
}
