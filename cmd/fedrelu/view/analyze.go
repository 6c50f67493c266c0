package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/fedrelu/fedrelu/internal/checkpoints"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/npz"
)

// Analyze is the document of `analyze --json`. Everything measured is in Measurements, one number an entry; the spectra of
// matrices stand in Models.
type Analyze struct {
	Models       []AnalyzeModel `json:"models"` // those of the files, then the average if there are several
	Measurements []AnalyzeRow   `json:"measurements"`
	Notes        []string       `json:"notes"` // what was not measured, and why

	report *checkpoints.Report
}

// AnalyzeModel is a model with its matrices.
type AnalyzeModel struct {
	Name   string         `json:"name"`
	SHA256 *string        `json:"model_sha256"`
	Values int            `json:"values"`
	Layers []AnalyzeLayer `json:"layers"`
}

// AnalyzeLayer is a matrix with its singular values, in the names of `runs show`.
type AnalyzeLayer struct {
	Name     string    `json:"name"`
	Shape    []int     `json:"shape"`
	Rank     *int      `json:"rank"`
	Epsilon  *float64  `json:"epsilon"`
	Spectrum []float64 `json:"spectrum"` // all singular values, descending; null with a reason
	Reason   *string   `json:"reason"`
}

// AnalyzeRow is one number. A null layer is the whole model; other is the second model of a pair.
type AnalyzeRow struct {
	Model    string   `json:"model"`
	Other    *string  `json:"other"`
	Layer    *string  `json:"layer"`
	Quantity string   `json:"quantity"`
	Value    *float64 `json:"value"`
}

// NewAnalyze returns the document of a report whose ranks were counted at epsilon.
func NewAnalyze(r *checkpoints.Report, epsilon float64) Analyze {
	d := Analyze{Models: []AnalyzeModel{}, Measurements: []AnalyzeRow{}, Notes: append([]string{}, r.Notes...), report: r}
	for _, m := range r.Models {
		hash := m.Hash.String()
		one := analyzeModel(m, epsilon)
		one.SHA256 = &hash
		d.Models = append(d.Models, one)
	}
	if r.Average != nil {
		d.Models = append(d.Models, analyzeModel(*r.Average, epsilon))
	}
	for _, row := range r.Rows {
		d.Measurements = append(d.Measurements, AnalyzeRow{row.Model, filled(row.Other), filled(row.Layer), row.Quantity, row.Value})
	}
	return d
}

func analyzeModel(m checkpoints.Measured, epsilon float64) AnalyzeModel {
	out := AnalyzeModel{Name: m.Name, Values: m.Values, Layers: []AnalyzeLayer{}}
	for _, l := range m.Layers {
		layer := AnalyzeLayer{Name: l.Name, Shape: l.Shape, Reason: filled(l.Reason)}
		if l.Spectrum != nil {
			layer.Rank, layer.Epsilon, layer.Spectrum = &l.Spectrum.Rank, &epsilon, l.Spectrum.Values
		}
		out.Layers = append(out.Layers, layer)
	}
	return out
}

// CSV returns everything measured as a long table.
func (d Analyze) CSV() claims.Table {
	t := claims.Table{Name: "measurements", Columns: []string{"model", "other", "layer", "quantity", "value"}}
	for _, r := range d.Measurements {
		v := ""
		if r.Value != nil {
			v = strconv.FormatFloat(*r.Value, 'g', -1, 64)
		}
		t.Rows = append(t.Rows, []string{r.Model, value(r.Other), value(r.Layer), r.Quantity, v})
	}
	return t
}

// WriteSpectra writes all singular values as a NumPy .npz file, an array "MODEL/LAYER" each.
func (d Analyze) WriteSpectra(w io.Writer) error {
	out := npz.NewWriter(w)
	for _, m := range d.Models {
		for _, l := range m.Layers {
			if l.Spectrum == nil {
				continue
			}
			if err := out.Add(m.Name+"/"+l.Name, l.Spectrum); err != nil {
				return err
			}
		}
	}
	return out.Close()
}

// WriteTable writes the document for people.
func (d Analyze) WriteTable(w io.Writer) error {
	var out strings.Builder
	models := d.report.Models
	if d.report.Average != nil {
		models = append(models[:len(models):len(models)], *d.report.Average)
	}
	for _, m := range models {
		matrixTable(&out, m)
	}
	modelTable(&out, d.report, models)
	gradientTable(&out, d.report, models)
	splineTable(&out, d.report, models)
	if d.report.Average != nil {
		togetherTables(&out, d.report)
	}
	unitTable(&out, d.report, models)
	for _, note := range d.Notes {
		fmt.Fprintf(&out, "%s\n", strings.Join(wrapText("note: "+note, widest), "\n  "))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func matrixTable(out *strings.Builder, m checkpoints.Measured) {
	fmt.Fprintf(out, "%s (%d values)\n", plain(m.Name), m.Values)
	t := Table{RightFrom: 2}
	t.Add("LAYER", "SHAPE", "RANK 1e-3", "1e-2", "5e-2", "STABLE", "EFFECTIVE", "FROBENIUS", "SPECTRAL")
	for _, l := range m.Layers {
		shape := strings.Join(strings.Fields(strings.Trim(fmt.Sprint(l.Shape), "[]")), "x")
		if l.Spectrum == nil {
			t.Add(plain(l.Name), shape, plain(l.Reason))
			continue
		}
		s := l.Spectrum
		t.Add(plain(l.Name), shape, strconv.Itoa(s.Ranks[0]), strconv.Itoa(s.Ranks[1]), strconv.Itoa(s.Ranks[2]),
			rank(s.StableRank), rank(s.EffectiveRank), short(s.Frobenius), short(s.Spectral))
	}
	finishTable(out, &t)
}

func modelTable(out *strings.Builder, r *checkpoints.Report, models []checkpoints.Measured) {
	quantityTable(out, r, models, []string{"NORM", "PATH NORM", "FROM IDENTITY", "TEST LOSS", "ACCURACY", "GRADIENT"},
		[]string{"norm", "path_norm", "identity.sum", "test_loss", "test_accuracy", "gradient_norm"})
}

func gradientTable(out *strings.Builder, r *checkpoints.Report, models []checkpoints.Measured) {
	quantityTable(out, r, models, []string{"GRADIENT SPREAD", "NOISE SCALE", "HETEROGENEITY", "UPDATE NORM", "UPDATE COSINE", "ZERO INPUTS"},
		[]string{"gradient_spread", "noise_scale", "heterogeneity", "update.norm", "update.cosine", "zero_inputs"})
}

func splineTable(out *strings.Builder, r *checkpoints.Report, models []checkpoints.Measured) {
	quantityTable(out, r, models, []string{"KNOTS", "VARIATION", "BALANCE", "OBJECTIVE", "OPTIMUM"},
		[]string{"knots", "variation", "balance", "objective", "optimum.objective"})
}

// quantityTable has a row for each model and a column for each quantity of whole models; nothing is written if all are missing.
func quantityTable(out *strings.Builder, r *checkpoints.Report, models []checkpoints.Measured, titles, quantities []string) {
	t := Table{RightFrom: 1}
	t.Add(append([]string{"MODEL"}, titles...)...)
	some := false
	for _, m := range models {
		row := []string{plain(m.Name)}
		for _, q := range quantities {
			v := r.Value(checkpoints.Place{Model: m.Name}, q)
			some = some || v != nil
			row = append(row, optionalShort(v))
		}
		t.Add(row...)
	}
	if some {
		finishTable(out, &t)
	}
}

func togetherTables(out *strings.Builder, r *checkpoints.Report) {
	pairs := Table{RightFrom: 2}
	pairs.Add("MODEL", "AND", "DISTANCE", "RELATIVE", "COSINE", "LOSS BARRIER", "ALIGNED", "DIST")
	for _, p := range r.Pairs {
		row := []string{plain(p.A), plain(p.B)}
		for _, q := range []string{"distance", "distance_rel", "params_cosine", "barrier", "barrier.aligned", "dist"} {
			row = append(row, optionalShort(r.Value(checkpoints.Place{Model: p.A, Other: p.B}, q)))
		}
		pairs.Add(row...)
	}
	finishTable(out, &pairs)
	curve := Table{RightFrom: 1}
	curve.Add("MEAN OF", "MEAN EFFECTIVE RANK", "RANK 1e-3", "TEST LOSS", "ACCURACY")
	for k, c := range r.Curve {
		row := []string{strconv.Itoa(k + 1)}
		for _, q := range []string{"effective_rank", "rank.0.001", "test_loss", "test_accuracy"} {
			row = append(row, optionalShort(r.Value(checkpoints.Place{Model: c.Name}, q)))
		}
		curve.Add(row...)
	}
	finishTable(out, &curve)
	averageLines(out, r)
}

// averageLines say how far the models are from their average.
func averageLines(out *strings.Builder, r *checkpoints.Report) {
	average := checkpoints.Place{Model: r.Average.Name}
	text := func(quantity string) string { return optionalShort(r.Value(average, quantity)) }
	fmt.Fprintf(out, "distance from the average: V %s, relative %s\n", text("divergence"), text("divergence_rel"))
	if r.Value(average, "drift") != nil {
		fmt.Fprintf(out, "drift of gradients on the first %d training examples: %s, relative %s, cosine %s\n", checkpoints.Probe, text("drift"), text("drift_rel"), text("cosine"))
	}
	for _, row := range r.Rows {
		if row.Model == average.Model && row.Quantity == "agreement" {
			fmt.Fprintf(out, "gates of %s that agree: %s of them\n", plain(row.Layer), optionalShort(row.Value))
		}
	}
	out.WriteString("\n")
}

func unitTable(out *strings.Builder, r *checkpoints.Report, models []checkpoints.Measured) {
	t := Table{RightFrom: 2}
	t.Add("MODEL", "ACTIVATION", "UNITS", "DEAD", "ALWAYS ON", "ENTROPY", "MOVEMENT")
	some := false
	for _, m := range models {
		for _, row := range r.Rows {
			if row.Model != m.Name || row.Quantity != "units" {
				continue
			}
			some = true
			line := []string{plain(m.Name), plain(row.Layer)}
			for _, q := range []string{"units", "units.dead", "units.always_on", "entropy", "movement"} {
				line = append(line, optionalShort(r.Value(row.Place, q)))
			}
			t.Add(line...)
		}
	}
	if some {
		finishTable(out, &t)
	}
}

func optionalShort(v *float64) string {
	if v == nil {
		return "-"
	}
	return short(*v)
}

func finishTable(out *strings.Builder, t *Table) {
	_ = t.Write(out) // a strings.Builder takes everything
	out.WriteString("\n")
}
