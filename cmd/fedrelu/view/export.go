package view

import (
	"fmt"
	"io"

	"github.com/fedrelu/fedrelu/coordinator/control"
)

// Export is the document of `export --json`.
type Export struct {
	Run         string `json:"run"`
	Round       int    `json:"round"`
	File        string `json:"file"`
	Tensors     int    `json:"tensors"`
	Values      int    `json:"values"`
	ModelSHA256 string `json:"model_sha256"`
}

// ExportMeasured is the document of `export --table --json` and `export --spectra --json`.
type ExportMeasured struct {
	Run    string `json:"run"`
	Rounds int    `json:"rounds"` // the start included
	File   string `json:"file"`
	Arrays *int   `json:"arrays"` // of spectra; null: a table
}

// NewExport returns the document of a model that was written to file.
func NewExport(h control.Header, file string) Export {
	e := Export{Run: h.Run, Round: h.Round, File: file, Tensors: len(h.Tensors), ModelSHA256: h.Model.String()}
	for _, t := range h.Tensors {
		n := 1
		for _, d := range t.Shape {
			n *= d
		}
		e.Values += n
	}
	return e
}

// WriteText writes the document for people.
func (e Export) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "wrote %s: round %d of run %s, %d values in %s\nmodel %s\n",
		e.File, e.Round, e.Run, e.Values, plural(e.Tensors, "tensor"), e.ModelSHA256)
	return err
}
