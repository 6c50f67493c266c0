package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/checkpoints"
	"github.com/fedrelu/fedrelu/internal/claims"
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
	for _, row := range r.Rows() {
		d.Measurements = append(d.Measurements, AnalyzeRow{row.Model, filled(row.B), filled(row.Layer), row.Quantity, finite(row.Value)})
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
	modelTable(&out, models)
	if d.report.Spread != nil {
		togetherTables(&out, d.report)
	}
	unitTable(&out, models)
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

func modelTable(out *strings.Builder, models []checkpoints.Measured) {
	t := Table{RightFrom: 1}
	t.Add("MODEL", "NORM", "PATH NORM", "FROM IDENTITY", "TEST LOSS", "ACCURACY", "GRADIENT")
	for _, m := range models {
		identity := "-"
		if m.Depth != nil {
			identity = short(m.Depth.SumP)
		}
		loss, accuracy, gradient := "-", "-", "-"
		if m.Works != nil {
			loss, accuracy, gradient = short(m.Works.Loss), number(m.Works.Accuracy, 4), optionalShort(m.Works.Gradient)
		}
		t.Add(plain(m.Name), short(m.Norm), optionalShort(m.Path), identity, loss, accuracy, gradient)
	}
	finishTable(out, &t)
}

func togetherTables(out *strings.Builder, r *checkpoints.Report) {
	pairs := Table{RightFrom: 2}
	pairs.Add("MODEL", "AND", "DISTANCE", "RELATIVE", "COSINE", "LOSS BARRIER")
	for _, p := range r.Pairs {
		barrier := "-"
		if p.Barrier != nil {
			barrier = short(p.Barrier.Height)
		}
		pairs.Add(plain(p.A), plain(p.B), short(p.Distance), optionalShort(p.Relative), optionalShort(p.Cosine), barrier)
	}
	finishTable(out, &pairs)
	curve := Table{RightFrom: 1}
	curve.Add("MEAN OF", "MEAN EFFECTIVE RANK", "RANK 1e-3", "TEST LOSS", "ACCURACY")
	for k, c := range r.Curve {
		effective, counted, loss, accuracy := "-", "-", "-", "-"
		if ranks, _ := analysis.AverageRanks(c.Layers); ranks != nil {
			effective, counted = rank(ranks.EffectiveRank), rank(ranks.Ranks[0])
		}
		if c.Works != nil {
			loss, accuracy = short(c.Works.Loss), number(c.Works.Accuracy, 4)
		}
		curve.Add(strconv.Itoa(k+1), effective, counted, loss, accuracy)
	}
	finishTable(out, &curve)
	s := r.Spread
	fmt.Fprintf(out, "distance from the average: V %s, relative %s\n", short(s.Divergence), optionalShort(s.DivergenceRel))
	if d := s.Drift; d != nil {
		fmt.Fprintf(out, "drift of gradients on the first %d training examples: %s, relative %s, cosine %s\n", checkpoints.Probe, short(d.Drift), optionalShort(d.DriftRel), optionalShort(d.Cosine))
	}
	for _, a := range s.Agreement {
		fmt.Fprintf(out, "gates of %s that agree: %s of them\n", plain(a.Name), short(a.Fraction))
	}
	out.WriteString("\n")
}

func unitTable(out *strings.Builder, models []checkpoints.Measured) {
	t := Table{RightFrom: 2}
	t.Add("MODEL", "ACTIVATION", "UNITS", "DEAD", "ALWAYS ON", "ENTROPY")
	some := false
	for _, m := range models {
		if m.Works == nil {
			continue
		}
		entropy := map[string]string{}
		for _, e := range m.Works.Entropy {
			entropy[e.Name] = optionalShort(e.Entropy)
		}
		for _, u := range m.Works.Units {
			some = true
			t.Add(plain(m.Name), plain(u.Name), strconv.Itoa(u.Units), strconv.Itoa(u.Dead), strconv.Itoa(u.AlwaysOn), entropy[u.Name])
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
