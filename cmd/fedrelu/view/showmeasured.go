package view

import (
	"strconv"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/bounds"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// ShowDrift is the drift of a round, by the names of M20. All is null where none was measured, and Reason says why if something
// was due.
type ShowDrift struct {
	Model         *string      `json:"model"`
	Probe         *int         `json:"probe"` // examples of the largest probe (M3)
	Shards        []int        `json:"shards"`
	Probes        []int        `json:"probes"` // examples of the probe of each of shards; null: an older build did not say
	Drift         *float64     `json:"drift"`
	DriftRel      *float64     `json:"drift_rel"`
	DriftMax      *float64     `json:"drift_max"`
	Cosine        *float64     `json:"cosine"`
	Divergence    *float64     `json:"divergence"`
	DivergenceRel *float64     `json:"divergence_rel"`
	Lipschitz     *float64     `json:"lipschitz"`
	Flips         []ShowFlip   `json:"flips"`         // of each gated activation; null: not measured
	Heterogeneity *float64     `json:"heterogeneity"` // of checks.heterogeneity, if at the same model: readings have it at any
	Modules       []ShowModule `json:"modules"`       // the drift of each layer with parameters; null: not measured
	Reason        *string      `json:"reason"`
}

// ShowFlip is which part of the gates of an activation differs between local models and the average.
type ShowFlip struct {
	Name     string  `json:"name"`
	Fraction float64 `json:"fraction"`
}

// ShowModule is the drift of one layer's parameters.
type ShowModule struct {
	Name          string   `json:"name"`
	Drift         *float64 `json:"drift"`
	DriftRel      *float64 `json:"drift_rel"`
	DriftMax      *float64 `json:"drift_max"`
	Cosine        *float64 `json:"cosine"`
	Divergence    *float64 `json:"divergence"`
	DivergenceRel *float64 `json:"divergence_rel"`
	Lipschitz     *float64 `json:"lipschitz"`
}

// ShowLayer is what was measured on one tensor, and what is predicted of it.
type ShowLayer struct {
	Name              string           `json:"name"`
	Shape             []int            `json:"shape"`
	Model             *string          `json:"model"` // next, what the round made, or mean where its rule takes the mean; null: the start
	Rank              *int             `json:"rank"`
	Epsilon           *float64         `json:"epsilon"`
	Ranks             map[string]int   `json:"ranks"`
	StableRank        *float64         `json:"stable_rank"`
	EffectiveRank     *float64         `json:"effective_rank"`
	Top               []float64        `json:"top"`
	Energy            []float64        `json:"energy"` // energy_k for k = 1 to the length of top: the part of frobenius^2 in the first k of them (M9)
	Frobenius         *float64         `json:"frobenius"`
	Spectral          *float64         `json:"spectral"`
	Spectrum          []float64        `json:"spectrum"`  // all singular values, where the spec keeps them; else null
	Local             *ShowLocal       `json:"local"`     // of checks.local_ranks
	Crossover         *float64         `json:"crossover"` // eps* (7b): above it averaging is predicted to lower the rank; of checks.local_ranks
	Certificate       *ShowCertificate `json:"certificate"`
	Lambda            *float64         `json:"lambda"`
	LambdaOnset       *float64         `json:"lambda_onset"`
	LambdaOnsetReason *string          `json:"lambda_onset_reason"` // why there is none
	Reason            *string          `json:"reason"`              // why the layer was left out
	Warning           *string          `json:"warning"`             // why its numbers are to be read with care
}

// ShowLocal is the mean over the measured shards of what was measured on their local models (M10, M19).
type ShowLocal struct {
	Ranks         map[string]float64 `json:"ranks"`
	StableRank    *float64           `json:"stable_rank"`
	EffectiveRank *float64           `json:"effective_rank"`
	Spectra       []ShowSpectrum     `json:"spectra"` // of each measured shard, where the spec keeps them; else null
	// Of each measured shard, at the layer's epsilon (1.3.3).
	Certificates []ShowLocalCertificate `json:"certificates"`
}

// ShowLocalCertificate is a bound on the rank of a local model at the end of its round, beside that rank.
type ShowLocalCertificate struct {
	Shard int `json:"shard"`
	Rank  int `json:"rank"`
	ShowCertificate
}

// ShowSpectrum is all singular values of a local model's weight, descending. A null shard is the mean of the local models, where
// the round's model is another.
type ShowSpectrum struct {
	Shard  *int      `json:"shard"`
	Values []float64 `json:"values"`
}

// ShowCertificate is a bound on the rank (M12). All but Reason is null where the theorem does not apply.
type ShowCertificate struct {
	N        *int    `json:"n"` // as in bounds.Certificate
	Bound    *int    `json:"bound"`
	Vacuous  *bool   `json:"vacuous"`
	Violated *bool   `json:"violated"` // true would be a mistake in training, measurement or theorem
	Reason   *string `json:"reason"`   // why it does not apply, or is vacuous
}

// ShowReading is one number that a study gave. A null shard is the average model, or a number over shards; a null step is the
// whole round; a null layer the whole model. Model is the average model that the number is of, or compares with: mean of all ends,
// next, or the mean of the measured ends; null: it needs none, or an older build did not say.
type ShowReading struct {
	Quantity string  `json:"quantity"`
	Layer    *string `json:"layer"`
	Shard    *int    `json:"shard"`
	Step     *int    `json:"step"`
	Model    *string `json:"model"`
	Value    float64 `json:"value"`
}

// ShowMissing says why a quantity is not among the readings.
type ShowMissing struct {
	Quantity string `json:"quantity"`
	Reason   string `json:"reason"`
}

func showDrift(m *record.Measured) ShowDrift {
	s := ShowDrift{Shards: []int{}, Heterogeneity: heterogeneity(m)}
	if m == nil || m.Drift == nil {
		if m != nil {
			s.Reason = text(m.DriftReason)
		}
		return s
	}
	d := m.Drift
	s.Model, s.Probe, s.Shards, s.Drift, s.DriftRel, s.DriftMax = &d.Model, &d.Probe, list(d.Shards), d.Drift, d.DriftRel, d.DriftMax
	s.Probes = d.Probes
	s.Cosine, s.Divergence, s.DivergenceRel, s.Lipschitz = d.Cosine, d.Divergence, d.DivergenceRel, d.Lipschitz
	for _, m := range d.Modules {
		s.Modules = append(s.Modules, ShowModule(m))
	}
	if s.Modules == nil { // an older build, which did not count flips either
		return s
	}
	s.Flips = []ShowFlip{}
	for _, f := range d.Flips {
		s.Flips = append(s.Flips, ShowFlip(f))
	}
	return s
}

// heterogeneity returns zeta^2, nil where it was not measured, or at another model than the drift it would stand beside. Readings of
// older builds do not name their model.
func heterogeneity(m *record.Measured) *float64 {
	if m == nil {
		return nil
	}
	for _, r := range m.Readings {
		if r.Quantity == "heterogeneity" && r.Shard == study.Average && (m.Drift == nil || r.Model == "" || r.Model == m.Drift.Model) {
			return &r.Value
		}
	}
	return nil
}

// made names the average model that the rounds of a spec end with (M1).
func made(s *spec.Spec) string {
	if s.Server.TakesMean() {
		return study.Mean
	}
	return study.Next
}

// modelOf names the model of a round, given that of all rounds; empty for the start model, which is no average.
func modelOf(r *record.RoundHistory, made string) string {
	if r.Number == 0 {
		return ""
	}
	return made
}

func layersReason(m *record.Measured) *string {
	if m == nil {
		return nil
	}
	return text(m.LayersReason)
}

func showLayers(r *record.RoundHistory, made string, predicted map[string]bounds.Layer) []ShowLayer {
	layers := []ShowLayer{}
	if r.Measured == nil {
		return layers
	}
	for _, l := range r.Measured.Layers {
		shown := showLayer(l)
		shown.Local = showLocal(r, l.Name, predicted[l.Name].Locals)
		shown.Model, shown.Crossover = text(modelOf(r, made)), ofAverage(r.Measured, l.Name, "crossover")
		if p, ok := predicted[l.Name]; ok {
			shown.Lambda, shown.LambdaOnset, shown.LambdaOnsetReason = p.Lambda, p.Onset, text(p.OnsetReason)
			shown.Certificate = showCertificate(p.Certificate)
		}
		layers = append(layers, shown)
	}
	return layers
}

func showLayer(l record.Layer) ShowLayer {
	out := ShowLayer{
		Name: l.Name, Shape: list(l.Shape), Ranks: map[string]int{}, Top: []float64{}, Energy: []float64{}, Reason: text(l.Reason), Warning: text(l.Warning),
	}
	s := l.Spectrum
	if s == nil {
		return out
	}
	out.Rank, out.Epsilon, out.StableRank, out.EffectiveRank = &s.Rank, &s.Epsilon, &s.StableRank, &s.EffectiveRank
	out.Frobenius, out.Spectral, out.Top, out.Spectrum = &s.Frobenius, &s.Spectral, list(s.Top), s.Values
	out.Energy = energies(s)
	for _, at := range s.Ranks {
		out.Ranks[strconv.FormatFloat(at.Epsilon, 'f', -1, 64)] = at.Rank
	}
	return out
}

func showCertificate(c bounds.Certificate) *ShowCertificate {
	shown := &ShowCertificate{Reason: text(c.Reason)}
	if c.Applies {
		shown.N, shown.Bound, shown.Vacuous, shown.Violated = &c.N, &c.Bound, &c.Vacuous, &c.Violated
	}
	return shown
}

// showLocal returns the means over shards, weighted as in the round, nil if no local model was measured.
func showLocal(r *record.RoundHistory, layer string, certified []bounds.Local) *ShowLocal {
	local := &ShowLocal{Ranks: map[string]float64{}, Certificates: []ShowLocalCertificate{}}
	for _, eps := range []string{"0.001", "0.01", "0.05"} {
		if mean := overShards(r, layer, "rank."+eps); mean != nil {
			local.Ranks[eps] = *mean
		}
	}
	local.StableRank, local.EffectiveRank = overShards(r, layer, "stable_rank"), overShards(r, layer, "effective_rank")
	if local.EffectiveRank == nil {
		return nil
	}
	for _, l := range certified {
		local.Certificates = append(local.Certificates, ShowLocalCertificate{l.Shard, l.Rank, *showCertificate(l.Certificate)})
	}
	for _, s := range localSpectra(r.Measured) {
		if s.layer == layer {
			local.Spectra = append(local.Spectra, ShowSpectrum{s.shard, s.values})
		}
	}
	return local
}

// overShards returns the mean of the numbers of the shards' ends.
func overShards(r *record.RoundHistory, layer, quantity string) *float64 {
	weights := make(map[int]float64, len(r.Participants))
	for i, k := range r.Participants {
		weights[k] = float64(r.Weights[i])
	}
	sum, total := 0.0, 0.0
	for _, m := range r.Measured.Readings {
		if m.Quantity == quantity && m.Layer == layer && m.Shard != study.Average && m.Step == study.Whole {
			sum += weights[m.Shard] * m.Value
			total += weights[m.Shard]
		}
	}
	if total == 0 {
		return nil
	}
	mean := sum / total
	return &mean
}

// ofAverage returns a number of a weight of the average model, nil where there is none.
func ofAverage(m *record.Measured, layer, quantity string) *float64 {
	for _, r := range m.Readings {
		if r.Quantity == quantity && r.Layer == layer && r.Shard == study.Average && r.Step == study.Whole {
			return &r.Value
		}
	}
	return nil
}

// showReadings has all readings but singular values, which stand with their layers.
func showReadings(m *record.Measured) []ShowReading {
	shown := []ShowReading{}
	if m == nil {
		return shown
	}
	for _, r := range m.Readings {
		if r.Quantity == study.SingularValue {
			continue
		}
		one := ShowReading{Quantity: r.Quantity, Layer: text(r.Layer), Model: text(r.Model), Value: r.Value}
		if r.Shard != study.Average {
			one.Shard = &r.Shard
		}
		if r.Step != study.Whole {
			one.Step = &r.Step
		}
		shown = append(shown, one)
	}
	return shown
}

func showMissing(m *record.Measured) []ShowMissing {
	shown := []ShowMissing{}
	if m == nil {
		return shown
	}
	for _, one := range m.Missing {
		shown = append(shown, ShowMissing(one))
	}
	return shown
}
