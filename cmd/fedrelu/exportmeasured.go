package main

import (
	"bufio"
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
)

// measuredExport says what of a run's measurements is written, and where.
type measuredExport struct {
	run, path        string
	spectra, jsonOut bool
}

// write writes a long table, or spectra.
func (e measuredExport) write(ctx context.Context, a *app, place archive) error {
	run, rounds, err := readRun(ctx, place, e.run)
	if err != nil {
		return err
	}
	arrays := 0
	err = writeFile(e.path, func(out *bufio.Writer) (err error) {
		if e.spectra {
			arrays, err = view.WriteSpectra(out, rounds)
			return err
		}
		return view.WriteLongTable(out, run, rounds)
	})
	if err != nil {
		return err
	}
	document := view.ExportMeasured{Run: run.ID, Rounds: len(rounds), File: e.path}
	if e.spectra {
		document.Arrays = &arrays
	}
	if e.jsonOut {
		return view.WriteJSON(a.stdout, document)
	}
	_, err = fmt.Fprintf(a.stdout, "wrote %s: what was measured of run %s at its start and in %d rounds\n", e.path, run.ID, max(0, len(rounds)-1))
	return err
}
