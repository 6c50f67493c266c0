package wire

import (
	"math"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// Limits of a DriftSample.
const (
	maxModules = 1 << 14
	maxLayer   = 1 << 10 // bytes of a layer's name
)

func encodeSample(m DriftSample) *fedreluv1.DriftSample {
	s := m.Sample
	out := &fedreluv1.DriftSample{
		Run: m.Run, Round: uint32(m.Round), Shard: uint32(s.Shard), Probe: uint32(m.Probe),
		Drift: s.Drift, NormEnd: s.NormEnd, NormModel: s.NormModel, Cosine: s.Cosine,
		Divergence: s.Divergence, NormModelParams: s.NormModelParams,
	}
	for _, l := range m.Modules {
		out.Modules = append(out.Modules, &fedreluv1.ModuleSample{
			Name: l.Name, Drift: l.Drift, NormEnd: l.NormEnd, NormModel: l.NormModel, Cosine: l.Cosine,
			Divergence: l.Divergence, NormModelParams: l.NormModelParams,
		})
	}
	for _, f := range m.Flips {
		out.Flips = append(out.Flips, &fedreluv1.FlipRecord{Name: f.Name, Fraction: f.Fraction})
	}
	return out
}

// sampleNumbers is what a shard's sample and each of its layers' have.
type sampleNumbers interface {
	GetDrift() float64
	GetNormEnd() float64
	GetNormModel() float64
	GetCosine() float64
	GetDivergence() float64
	GetNormModelParams() float64
}

func decodeNumbers(shard int, m sampleNumbers) (analysis.Sample, error) {
	s := analysis.Sample{
		Shard: shard, Drift: m.GetDrift(), NormEnd: m.GetNormEnd(), NormModel: m.GetNormModel(),
		Cosine: m.GetCosine(), Divergence: m.GetDivergence(), NormModelParams: m.GetNormModelParams(),
	}
	for _, v := range []float64{s.Drift, s.NormEnd, s.NormModel, s.Cosine, s.Divergence, s.NormModelParams} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return s, malformed("drift_sample", "shard %d has a value of %g", shard, v)
		}
	}
	return s, nil
}

func decodeSample(m *fedreluv1.DriftSample) (DriftSample, error) {
	key, shard, err := decodeTask(m)
	if err != nil {
		return DriftSample{}, err
	}
	s := DriftSample{Key: key, Probe: int(m.GetProbe())}
	if s.Sample, err = decodeNumbers(shard, m); err != nil {
		return s, err
	}
	if n := max(len(m.GetModules()), len(m.GetFlips())); n > maxModules {
		return s, malformed("modules", "%d layers, want at most %d", n, maxModules)
	}
	for _, l := range m.GetModules() {
		numbers, err := decodeNumbers(shard, l)
		if err != nil {
			return s, err
		}
		if len(l.GetName()) > maxLayer {
			return s, malformed("modules.name", "%d bytes, want at most %d", len(l.GetName()), maxLayer)
		}
		s.Modules = append(s.Modules, analysis.ModuleSample{Name: l.GetName(), Sample: numbers})
	}
	for _, f := range m.GetFlips() {
		if !(f.GetFraction() >= 0 && f.GetFraction() <= 1) || len(f.GetName()) > maxLayer {
			return s, malformed("flips", "%g in a layer with a name of %d bytes, want 0 to 1 and at most %d", f.GetFraction(), len(f.GetName()), maxLayer)
		}
		s.Flips = append(s.Flips, activity.Flip{Name: f.GetName(), Fraction: f.GetFraction()})
	}
	return s, nil
}
