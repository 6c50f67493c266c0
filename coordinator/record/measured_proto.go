package record

import (
	"github.com/fedrelu/fedrelu/analysis/activity"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/readings"
)

func (*Measured) kind() Kind { return KindMeasured }

func (m *Measured) encode() ([]byte, error) {
	return marshal(&fedreluv1.MeasuredRecord{
		Round: uint32(m.Round), Drift: driftProto(m.Drift), DriftReason: text(m.DriftReason), Layers: each(m.Layers, layerProto),
		LayersReason: text(m.LayersReason), Seconds: m.Seconds, Time: nanos(m.Time),
		Readings: readings.Encode(m.Readings), Missing: readings.EncodeMissing(m.Missing),
	})
}

func measuredFromProto(p *fedreluv1.MeasuredRecord) (Measured, error) {
	f := reader{fields{of: "measured"}}
	m := Measured{
		Round: int(p.GetRound()), Drift: driftFromProto(p.GetDrift()), DriftReason: p.GetDriftReason(),
		Layers:       each(p.GetLayers(), func(l *fedreluv1.LayerRecord) Layer { return layerFromProto(&f, l) }),
		LayersReason: p.GetLayersReason(), Seconds: p.GetSeconds(), Time: instant(p.GetTime()),
	}
	var err error
	m.Readings, err = readings.Decode(p.GetReadings())
	f.readings(err)
	m.Missing, err = readings.DecodeMissing(p.GetMissing())
	f.readings(err)
	if f.err != nil {
		return Measured{}, f.err
	}
	if err := m.Validate(); err != nil {
		return Measured{}, err
	}
	return m, nil
}

func driftProto(d *Drift) *fedreluv1.DriftRecord {
	if d == nil {
		return nil
	}
	p := &fedreluv1.DriftRecord{
		Model: d.Model, Probe: uint32(d.Probe), Shards: numbers[uint32](d.Shards), Probes: numbers[uint32](d.Probes), Drift: d.Drift, DriftRel: d.DriftRel,
		DriftMax: d.DriftMax, Cosine: d.Cosine, Divergence: d.Divergence, DivergenceRel: d.DivergenceRel, Lipschitz: d.Lipschitz,
	}
	for _, f := range d.Flips {
		p.Flips = append(p.Flips, &fedreluv1.FlipRecord{Name: text(f.Name), Fraction: f.Fraction})
	}
	for _, m := range d.Modules {
		p.Modules = append(p.Modules, &fedreluv1.ModuleDriftRecord{
			Name: text(m.Name), Drift: m.Drift, DriftRel: m.DriftRel, DriftMax: m.DriftMax, Cosine: m.Cosine,
			Divergence: m.Divergence, DivergenceRel: m.DivergenceRel, Lipschitz: m.Lipschitz,
		})
	}
	return p
}

func driftFromProto(p *fedreluv1.DriftRecord) *Drift {
	if p == nil {
		return nil
	}
	d := &Drift{
		Model: p.GetModel(), Probe: int(p.GetProbe()), Shards: numbers[int](p.GetShards()), Probes: numbers[int](p.GetProbes()), Drift: p.Drift, DriftRel: p.DriftRel,
		DriftMax: p.DriftMax, Cosine: p.Cosine, Divergence: p.Divergence, DivergenceRel: p.DivergenceRel, Lipschitz: p.Lipschitz,
	}
	for _, f := range p.GetFlips() {
		d.Flips = append(d.Flips, activity.Flip{Name: f.GetName(), Fraction: f.GetFraction()})
	}
	for _, m := range p.GetModules() {
		d.Modules = append(d.Modules, ModuleDrift{
			Name: m.GetName(), Drift: m.Drift, DriftRel: m.DriftRel, DriftMax: m.DriftMax, Cosine: m.Cosine,
			Divergence: m.Divergence, DivergenceRel: m.DivergenceRel, Lipschitz: m.Lipschitz,
		})
	}
	return d
}

func layerProto(l Layer) *fedreluv1.LayerRecord {
	return &fedreluv1.LayerRecord{
		Name: text(l.Name), Shape: numbers[uint64](l.Shape), Spectrum: spectrumProto(l.Spectrum), Reason: text(l.Reason),
		Warning: text(l.Warning), Positions: uint32(l.Positions),
	}
}

func layerFromProto(f *reader, p *fedreluv1.LayerRecord) Layer {
	return Layer{
		Name: p.GetName(), Shape: f.sizes("layers.shape", p.GetShape()), Spectrum: spectrumFromProto(p.GetSpectrum()),
		Reason: p.GetReason(), Warning: p.GetWarning(), Positions: int(p.GetPositions()),
	}
}

func spectrumProto(s *Spectrum) *fedreluv1.SpectrumRecord {
	if s == nil {
		return nil
	}
	return &fedreluv1.SpectrumRecord{
		Rank: uint32(s.Rank), Epsilon: s.Epsilon, StableRank: s.StableRank, EffectiveRank: s.EffectiveRank, Top: s.Top,
		Frobenius: s.Frobenius, Spectral: s.Spectral, Values: s.Values,
		Ranks: each(s.Ranks, func(r RankAt) *fedreluv1.RankAt { return &fedreluv1.RankAt{Epsilon: r.Epsilon, Rank: uint32(r.Rank)} }),
	}
}

func spectrumFromProto(p *fedreluv1.SpectrumRecord) *Spectrum {
	if p == nil {
		return nil
	}
	return &Spectrum{
		Rank: int(p.GetRank()), Epsilon: p.GetEpsilon(), StableRank: p.GetStableRank(), EffectiveRank: p.GetEffectiveRank(),
		Top: p.GetTop(), Frobenius: p.GetFrobenius(), Spectral: p.GetSpectral(), Values: p.GetValues(),
		Ranks: each(p.GetRanks(), func(r *fedreluv1.RankAt) RankAt { return RankAt{Epsilon: r.GetEpsilon(), Rank: int(r.GetRank())} }),
	}
}
