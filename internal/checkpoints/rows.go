package checkpoints

import (
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
)

// Row is one number of the long table: of a model, or of a pair with B set, and of a layer or of the whole.
type Row struct {
	Model, B, Layer, Quantity string
	Value                     *float64 // nil: it does not exist
}

// Rows returns everything that was measured, a row for each number, names as in the record of a run.
func (r *Report) Rows() []Row {
	t := &rows{}
	for _, m := range r.Models {
		t.model(m)
	}
	if r.Average != nil {
		t.model(*r.Average)
	}
	for _, m := range r.Curve {
		t.model(m)
	}
	for _, p := range r.Pairs {
		t.pair(p)
	}
	if r.Spread != nil {
		t.spread(r)
	}
	return t.all
}

type rows struct{ all []Row }

func (t *rows) add(model, layer, quantity string, v *float64) {
	t.all = append(t.all, Row{Model: model, Layer: layer, Quantity: quantity, Value: v})
}

func (t *rows) model(m Measured) {
	for _, l := range m.Layers {
		t.layer(m.Name, l)
	}
	if m.Norm > 0 {
		t.add(m.Name, "", "norm", &m.Norm)
	}
	if m.Path != nil {
		t.add(m.Name, "", "path_norm", m.Path)
	}
	if m.Depth != nil {
		for _, d := range m.Depth.Layers {
			t.add(m.Name, d.Name, "identity_spectral", &d.Spectral)
			t.add(m.Name, d.Name, "identity_frobenius", &d.Frobenius)
			t.add(m.Name, d.Name, "bias_norm", &d.Bias)
		}
	}
	if s := m.Spline; s != nil {
		knots := float64(s.Knots)
		t.add(m.Name, "", "tv", &s.Variation)
		t.add(m.Name, "", "knots", &knots)
		t.add(m.Name, "", "balance", s.Balance)
	}
	if m.Works != nil {
		t.works(m.Name, m.Works)
	}
}

func (t *rows) layer(model string, l analysis.Layer) {
	if l.Spectrum == nil {
		t.add(model, l.Name, "rank", nil)
		return
	}
	s := l.Spectrum
	rank := float64(s.Rank)
	t.add(model, l.Name, "rank", &rank)
	for i, name := range []string{"rank_0.001", "rank_0.01", "rank_0.05"} {
		v := float64(s.Ranks[i])
		t.add(model, l.Name, name, &v)
	}
	t.add(model, l.Name, "stable_rank", &s.StableRank)
	t.add(model, l.Name, "effective_rank", &s.EffectiveRank)
	t.add(model, l.Name, "roy_vetterli_rank", &s.RoyVetterli)
	t.add(model, l.Name, "frobenius_norm", &s.Frobenius)
	t.add(model, l.Name, "spectral_norm", &s.Spectral)
	for _, k := range []int{1, 5, 10} {
		v := analysis.Energy(s.Values, k)
		t.add(model, l.Name, fmt.Sprintf("energy_%d", k), &v)
	}
}

func (t *rows) works(model string, w *Works) {
	t.add(model, "", "test_loss", &w.Loss)
	t.add(model, "", "test_accuracy", w.Accuracy)
	if w.Units == nil {
		return
	}
	t.add(model, "", "gradient_norm", w.Gradient)
	for _, u := range w.Units {
		units, dead, on := float64(u.Units), float64(u.Dead), float64(u.AlwaysOn)
		t.add(model, u.Name, "units", &units)
		t.add(model, u.Name, "dead", &dead)
		t.add(model, u.Name, "always_on", &on)
	}
	for _, e := range w.Entropy {
		t.add(model, e.Name, "entropy", e.Entropy)
	}
}

func (t *rows) pair(p Pair) {
	add := func(quantity string, v *float64) {
		t.all = append(t.all, Row{Model: p.A, B: p.B, Quantity: quantity, Value: v})
	}
	add("distance", &p.Distance)
	add("distance_rel", p.Relative)
	add("cosine", p.Cosine)
	if p.Barrier != nil {
		add("barrier", &p.Barrier.Height)
		add("barrier_alpha", &p.Barrier.Alpha)
	}
}

// spread has rows of the average: how far the models are from it.
func (t *rows) spread(r *Report) {
	name := r.Average.Name
	t.add(name, "", "divergence", &r.Spread.Divergence)
	t.add(name, "", "divergence_rel", r.Spread.DivergenceRel)
	for i, c := range r.Spread.Cancellation {
		t.add(name, r.Average.Layers[i].Name, "cancellation", c)
	}
	for _, a := range r.Spread.Agreement {
		t.add(name, a.Name, "agreement", &a.Fraction)
	}
	if d := r.Spread.Drift; d != nil {
		t.add(name, "", "drift", &d.Drift)
		t.add(name, "", "drift_rel", d.DriftRel)
		t.add(name, "", "drift_max", &d.DriftMax)
		t.add(name, "", "drift_cosine", d.Cosine)
		t.add(name, "", "lipschitz", d.Lipschitz)
	}
}
