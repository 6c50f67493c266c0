package view

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/bounds"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// longTable writes the long table of a run: a row for each number that was measured.
type longTable struct {
	w         *csv.Writer
	run, seed string
	made      string // which average model a round's own is
	round     int
	err       error
}

// LongColumns are the columns of the long table. step is empty for numbers of a whole round, shard for the average model and for
// numbers over shards, layer for the whole model. model is the average model that a number is of, or compares with (mean, next,
// measured), empty where it needs none.
func LongColumns() []string {
	return []string{"run", "seed", "round", "step", "shard", "layer", "quantity", "value", "model"}
}

// WriteLongTable writes everything that was measured of a run as CSV, in the order of rounds.
func WriteLongTable(w io.Writer, run record.Run, rounds []*record.RoundHistory) error {
	s, err := spec.FromProto(run.Spec)
	if err != nil {
		return fmt.Errorf("reading the spec of run %s: %w", run.ID, err)
	}
	predicted, err := bounds.Of(run, rounds)
	if err != nil {
		return err
	}
	t := longTable{w: csv.NewWriter(w), run: run.ID, seed: strconv.FormatUint(s.Seed, 10), made: made(s)}
	t.err = t.w.Write(LongColumns())
	for _, r := range rounds {
		t.addRound(r, predicted[r.Number])
	}
	t.w.Flush()
	if t.err == nil {
		t.err = t.w.Error()
	}
	return t.err
}

func (t *longTable) addRound(r *record.RoundHistory, predicted map[string]bounds.Layer) {
	t.round = r.Number
	model := modelOf(r, t.made)
	t.whole("", "test_accuracy", r.TestAccuracy, model)
	t.whole("", "test_loss", r.TestLoss, model)
	t.whole("", "train_loss", r.TrainLoss, "")
	if r.Measured == nil {
		return
	}
	t.addDrift(r.Measured.Drift)
	for _, l := range r.Measured.Layers {
		t.addLayer(l, model, predicted[l.Name])
	}
	t.addLocalBounds(predicted)
	for _, m := range r.Measured.Readings {
		if m.Quantity != study.SingularValue { // those are for WriteSpectra
			t.add(m)
		}
	}
}

func (t *longTable) addDrift(d *record.Drift) {
	if d == nil {
		return
	}
	t.addModule(record.ModuleDrift{Drift: d.Drift, DriftRel: d.DriftRel, DriftMax: d.DriftMax, Cosine: d.Cosine,
		Divergence: d.Divergence, DivergenceRel: d.DivergenceRel, Lipschitz: d.Lipschitz}, d.Model)
	for i, probe := range d.Probes {
		t.add(study.Reading{Quantity: "probe", Shard: d.Shards[i], Step: study.Whole, Value: float64(probe)})
	}
	for _, m := range d.Modules {
		t.addModule(m, d.Model)
	}
	for _, f := range d.Flips {
		t.whole(f.Name, "flips", &f.Fraction, d.Model)
	}
}

func (t *longTable) addModule(m record.ModuleDrift, model string) {
	t.whole(m.Name, "drift", m.Drift, model)
	t.whole(m.Name, "drift_rel", m.DriftRel, model)
	t.whole(m.Name, "drift_max", m.DriftMax, model)
	t.whole(m.Name, "cosine", m.Cosine, model)
	t.whole(m.Name, "divergence", m.Divergence, model)
	t.whole(m.Name, "divergence_rel", m.DivergenceRel, model)
	t.whole(m.Name, "lipschitz", m.Lipschitz, model)
}

// addLayer adds what is known of the model that the round made; checks.local_ranks says the same of the mean of the ends under
// the names without "model.".
func (t *longTable) addLayer(l record.Layer, model string, p bounds.Layer) {
	s := l.Spectrum
	if s == nil {
		return
	}
	number := func(quantity string, value float64) { t.whole(l.Name, "model."+quantity, &value, model) }
	number("rank", float64(s.Rank))
	for _, at := range s.Ranks {
		number("rank."+strconv.FormatFloat(at.Epsilon, 'g', -1, 64), float64(at.Rank))
	}
	number("stable_rank", s.StableRank)
	number("effective_rank", s.EffectiveRank)
	number("frobenius", s.Frobenius)
	number("spectral", s.Spectral)
	for k, energy := range energies(s) {
		number("energy."+strconv.Itoa(k+1), energy)
	}
	t.whole(l.Name, "lambda", p.Lambda, "")
	t.whole(l.Name, "lambda_onset", p.Onset, model)
	if p.Certificate.Applies {
		number("rank.bound", float64(p.Certificate.Bound))
	}
}

// addLocalBounds adds the certificates of local models, at the threshold of their "rank".
func (t *longTable) addLocalBounds(predicted map[string]bounds.Layer) {
	for _, name := range slices.Sorted(maps.Keys(predicted)) {
		for _, l := range predicted[name].Locals {
			if l.Certificate.Applies {
				t.add(study.Reading{Quantity: "rank.bound", Layer: name, Shard: l.Shard, Step: study.Whole, Value: float64(l.Certificate.Bound)})
			}
		}
	}
}

// whole adds a number of the whole round, and of an average model, if there are such.
func (t *longTable) whole(layer, quantity string, value *float64, model string) {
	if value != nil {
		t.add(study.Reading{Quantity: quantity, Layer: layer, Shard: study.Average, Step: study.Whole, Model: model, Value: *value})
	}
}

func (t *longTable) add(r study.Reading) {
	if t.err != nil {
		return
	}
	step, shard := "", ""
	if r.Step != study.Whole {
		step = strconv.Itoa(r.Step)
	}
	if r.Shard != study.Average {
		shard = strconv.Itoa(r.Shard)
	}
	t.err = t.w.Write([]string{t.run, t.seed, strconv.Itoa(t.round), step, shard, r.Layer, r.Quantity, strconv.FormatFloat(r.Value, 'g', -1, 64), r.Model})
}
