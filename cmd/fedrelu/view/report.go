package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/fedrelu/fedrelu/coordinator/store"
)

// Report is the document of `verify --json`.
type Report struct {
	Dir      string          `json:"dir"`
	OK       bool            `json:"ok"`
	Bytes    int64           `json:"bytes"`
	Pages    int             `json:"pages"`
	Format   uint32          `json:"format"`
	Runs     []ReportRun     `json:"runs"`
	Problems []ReportProblem `json:"problems"`
}

// ReportRun counts what a run has in the store.
type ReportRun struct {
	Run          string `json:"run"`
	Name         string `json:"name"`
	Status       string `json:"status"`
	Entries      int    `json:"entries"`
	Rounds       int    `json:"rounds"`
	Measured     int    `json:"measured"`
	Due          int    `json:"due"`
	Models       int    `json:"models"`
	Chunks       int    `json:"chunks"`
	ModelBytes   int64  `json:"model_bytes"`
	Unreferenced int    `json:"unreferenced"`
	Declared     int    `json:"declared"`
	Repaired     int    `json:"repaired"`
}

// ReportProblem is one thing that is wrong.
type ReportProblem struct {
	Run   *string `json:"run"` // null: the file itself
	Where string  `json:"where"`
	Error string  `json:"error"`
}

// NewReport returns the document of a report.
func NewReport(r *store.Report) Report {
	d := Report{
		Dir: r.Dir, OK: r.OK(), Bytes: r.Bytes, Pages: r.Pages, Format: r.Format, Runs: []ReportRun{}, Problems: []ReportProblem{},
	}
	for _, run := range r.Runs {
		d.Runs = append(d.Runs, ReportRun{
			Run: run.ID, Name: run.Name, Status: run.Status.String(), Entries: run.Entries, Rounds: run.Rounds, Measured: run.Measured,
			Due: run.Due, Models: run.Models, Chunks: run.Chunks, ModelBytes: run.ModelBytes, Unreferenced: run.Unreferenced,
			Declared: run.Declared, Repaired: run.Repaired,
		})
	}
	for _, p := range r.Problems {
		d.Problems = append(d.Problems, ReportProblem{Run: text(p.Run), Where: p.Where, Error: p.Err.Error()})
	}
	return d
}

// WriteReport writes a report for people.
func WriteReport(w io.Writer, r *store.Report) error {
	_, err := fmt.Fprintln(w, strings.TrimRight(r.String(), "\n"))
	return err
}
