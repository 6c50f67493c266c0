package checkpoints

import (
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Report is all that was measured of checkpoints.
type Report struct {
	Models  []Measured
	Average *Measured  // of several models: their mean with equal weights
	Curve   []Measured // of several models: the mean of the first k, k = 1, 2, ...
	Pairs   []Pair     // of several models: each with each, as far as a bound allows
	Rows    []Row      // every number, model by model
	Notes   []string   // what was not measured, and why
}

// Measured is one model and the singular values of its weights.
type Measured struct {
	Name   string
	Hash   tensor.Hash
	Values int
	Layers []analysis.Layer
}

// Pair is two models that are compared.
type Pair struct{ A, B string }

// Row is one number of the long table. A number of a pair has Other set, one of the whole model no Layer. Quantities that a run
// measures too have the names of its long table; the package doc lists the others.
type Row struct {
	Place
	Quantity string
	Value    *float64 // nil: it does not exist
}

// Place is whose number it is.
type Place struct{ Model, Other, Layer string }

// in returns the place in a layer.
func (p Place) in(layer string) Place {
	p.Layer = layer
	return p
}

// Value returns a number of the report, nil if it was not measured or does not exist.
func (r *Report) Value(at Place, quantity string) *float64 {
	i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Place == at && row.Quantity == quantity })
	if i < 0 {
		return nil
	}
	return r.Rows[i].Value
}

// say notes a number; one that is not finite does not exist.
func (r *Report) say(quantity string, at Place, value float64) { r.sayIf(quantity, at, &value) }

// sayIf notes a number that may not exist.
func (r *Report) sayIf(quantity string, at Place, value *float64) {
	if value != nil && (math.IsNaN(*value) || math.IsInf(*value, 0)) {
		value = nil
	}
	r.Rows = append(r.Rows, Row{at, quantity, value})
}

// note says once why something was not measured.
func (r *Report) note(text string) {
	if !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}
