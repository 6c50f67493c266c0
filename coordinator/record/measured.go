package record

import (
	"time"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/proto/readings"
)

// Measured is what was measured on a round. It is committed when the numbers are there, maybe after later rounds.
type Measured struct {
	Round        int
	Drift        *Drift
	DriftReason  string // why there is no drift; empty if nobody asked for it
	Layers       []Layer
	LayersReason string          // why there are no layers; empty if nobody asked for them
	Readings     []study.Reading // of the studies that were due; one quantity at one layer stands together
	Missing      []study.Missing // what was due of them and is not there
	Seconds      float64         // that the measuring took, beside the rounds
	Time         time.Time
}

// Drift is how far gradients at the ends are from gradients at the average model. A nil number does not exist: its
// denominator is 0. Names and definitions: M5 and M6.
type Drift struct {
	Model  string // ModelMean or ModelNext: the model that the ends were compared with
	Probe  int    // examples of the largest probe; without Probes what the spec asked for
	Shards []int  // measured, ascending
	Probes []int  // examples of the probe of each of Shards (M3); nil of older builds

	Drift, DriftRel, DriftMax, Cosine    *float64
	Divergence, DivergenceRel, Lipschitz *float64

	Flips   []activity.Flip // of each gated activation (M7)
	Modules []ModuleDrift   // the same numbers for each layer with parameters; none of older builds
}

// ModuleDrift is the drift of one layer's parameters (M2).
type ModuleDrift struct {
	Name                                 string
	Drift, DriftRel, DriftMax, Cosine    *float64
	Divergence, DivergenceRel, Lipschitz *float64
}

// The models that drift may refer to: the weighted mean of the ends, or the round's next model where that is another.
const (
	ModelMean = "mean"
	ModelNext = "next"
)

// Layer is what was measured on one tensor of two or more dimensions.
type Layer struct {
	Name     string
	Shape    []int
	Spectrum *Spectrum // nil: left out, see Reason
	Reason   string
	Warning  string // not empty: the numbers are to be read with care, and why

	Positions int // at which each example uses it: those of a convolution's output, else 1; 0: an older build did not say
}

// Spectrum is what the singular values of a layer say. Names and definitions: M9.
type Spectrum struct {
	Rank          int     // number of singular values above Epsilon times the Frobenius norm
	Epsilon       float64 // in (0, 1)
	Ranks         []RankAt
	StableRank    float64
	EffectiveRank float64
	Top           []float64 // the largest singular values, descending
	Frobenius     float64
	Spectral      float64
	Values        []float64 // all singular values, descending, where the spec keeps them; nil elsewhere
}

// RankAt is the rank at another threshold.
type RankAt struct {
	Epsilon float64
	Rank    int
}

// Validate returns an error that wraps ErrInvalid and names the first field that breaks a rule.
func (m *Measured) Validate() error {
	f := fields{of: "measured"}
	f.small("round", m.Round)
	f.positive("seconds", m.Seconds)
	if m.Drift != nil {
		m.Drift.validate(&f)
	}
	for i := range m.Layers {
		m.Layers[i].validate(&f)
	}
	f.readings(readings.Check(m.Readings))
	f.readings(readings.CheckMissing(m.Missing))
	return f.err
}

func (d *Drift) validate(f *fields) {
	f.check(d.Model == ModelMean || d.Model == ModelNext, "drift.model", d.Model, "mean or next")
	f.small("drift.probe", d.Probe)
	f.shards("drift.shards", d.Shards)
	f.check(len(d.Probes) == 0 || len(d.Probes) == len(d.Shards), "drift.probes", len(d.Probes), "one for each shard")
	for _, p := range d.Probes {
		f.small("drift.probes", p)
	}
	f.finite("drift.drift", d.Drift)
	f.finite("drift.drift_rel", d.DriftRel)
	f.finite("drift.drift_max", d.DriftMax)
	f.finite("drift.cosine", d.Cosine)
	f.finite("drift.divergence", d.Divergence)
	f.finite("drift.divergence_rel", d.DivergenceRel)
	f.finite("drift.lipschitz", d.Lipschitz)
	for _, flip := range d.Flips {
		f.check(flip.Fraction >= 0 && flip.Fraction <= 1, "drift.flips", flip.Fraction, "0 .. 1")
	}
	for _, m := range d.Modules {
		for _, v := range []*float64{m.Drift, m.DriftRel, m.DriftMax, m.Cosine, m.Divergence, m.DivergenceRel, m.Lipschitz} {
			f.finite("drift.modules", v)
		}
	}
}

func (l *Layer) validate(f *fields) {
	f.check(len(l.Name) > 0 && len(l.Name) <= MaxText, "layers.name", l.Name, "a name of at most 4096 bytes")
	for _, n := range l.Shape {
		f.check(n > 0, "layers.shape", n, "greater than 0")
	}
	f.small("layers.positions", l.Positions)
	s := l.Spectrum
	if s == nil {
		return
	}
	f.small("layers.rank", s.Rank)
	f.positive("layers.epsilon", s.Epsilon)
	f.positive("layers.stable_rank", s.StableRank)
	f.positive("layers.effective_rank", s.EffectiveRank)
	f.positive("layers.frobenius", s.Frobenius)
	f.positive("layers.spectral", s.Spectral)
	for i := range s.Top {
		f.finite("layers.top", &s.Top[i])
	}
	for _, v := range s.Values {
		f.positive("layers.values", v)
	}
	for _, r := range s.Ranks {
		f.small("layers.ranks", r.Rank)
		f.positive("layers.ranks.epsilon", r.Epsilon)
	}
}
