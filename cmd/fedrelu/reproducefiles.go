package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/papers"
)

// writeClaims writes all that came of the papers so far to the folder of the results.
func writeClaims(r *reproduction, reports []papers.Report) error {
	files := claimFiles{folder: r.folder}
	for _, report := range reports {
		for _, f := range report.Figures {
			files.write(view.ClaimFile(report.Paper, f.Name)+".svg", f.Figure.SVG)
		}
		for _, t := range report.Tables {
			files.write(view.ClaimFile(report.Paper, t.Name)+".csv", func(w io.Writer) error { return view.WriteCSV(w, t) })
		}
	}
	files.write("claims.json", func(w io.Writer) error { return view.WriteJSON(w, view.NewReproduce(reports)) })
	files.write("index.html", view.ClaimsPage{Command: r.command(), Build: build(), Reports: reports}.Write)
	return files.err
}

// claimFiles writes files into a folder up to the first error.
type claimFiles struct {
	folder string
	err    error
}

func (f *claimFiles) write(name string, content func(io.Writer) error) {
	if f.err != nil {
		return
	}
	var b bytes.Buffer
	err := content(&b)
	if err == nil {
		err = os.WriteFile(filepath.Join(f.folder, name), b.Bytes(), 0o644)
	}
	if err != nil {
		f.err = fmt.Errorf("writing %s: %w", name, err)
	}
}
