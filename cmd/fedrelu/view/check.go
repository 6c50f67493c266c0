package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/fedrelu/fedrelu/internal/selfcheck"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Check is the document of `check --json`.
type Check struct {
	Spec       *spec.Spec `json:"spec"` // with all defaults
	Cut        []string   `json:"cut"`  // what of it was not used, a line each
	Properties []Property `json:"properties"`
	Failed     int        `json:"failed"`
}

// Property is selfcheck.Result with the names that JSON has for it. Measured is null where the property does not apply.
type Property struct {
	Property string  `json:"property"`
	Expected string  `json:"expected"`
	Measured *string `json:"measured"`
	Verdict  string  `json:"verdict"` // holds, fails or not applicable
	Detail   string  `json:"detail"`  // how it was measured, or why it was not
}

// NewCheck returns the document of a check.
func NewCheck(s *spec.Spec, cut []string, results []selfcheck.Result) Check {
	d := Check{Spec: s, Cut: append([]string{}, cut...), Properties: []Property{}}
	for _, r := range results {
		p := Property{Property: r.Property, Expected: r.Expected, Verdict: string(r.Verdict), Detail: r.Detail}
		if r.Measured != "" {
			p.Measured = &r.Measured
		}
		if r.Verdict == selfcheck.Fails {
			d.Failed++
		}
		d.Properties = append(d.Properties, p)
	}
	return d
}

// WriteTable writes the document for people: the spec, the properties, and how each was measured.
func (d Check) WriteTable(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n", d.Spec.YAML()); err != nil {
		return err
	}
	var t Table
	t.Add("PROPERTY", "EXPECTED", "MEASURED", "VERDICT")
	for _, p := range d.Properties {
		measured, verdict := "-", p.Verdict
		if p.Measured != nil {
			measured = *p.Measured
		}
		if p.Verdict == string(selfcheck.NotApplicable) {
			verdict += ": " + p.Detail
		} else if p.Measured == nil {
			verdict += ": " + p.Detail
		}
		t.Add(p.Property, p.Expected, measured, verdict)
	}
	if err := t.Write(w); err != nil {
		return err
	}
	return d.writeNotes(w)
}

// writeNotes says how the properties were measured, and on what part of the spec.
func (d Check) writeNotes(w io.Writer) error {
	var t Table
	for _, p := range d.Properties {
		if p.Measured != nil {
			t.Add(p.Property+":", p.Detail)
		}
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := t.Write(w); err != nil {
		return err
	}
	if len(d.Cut) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\ncut down to end in seconds: %s\n", strings.Join(d.Cut, "; "))
	return err
}
