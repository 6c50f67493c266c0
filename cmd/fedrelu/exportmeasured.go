package main

import (
	"bufio"
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
)

// exportMeasured writes what was measured of a run: a long table, or spectra.
func exportMeasured(ctx context.Context, a *app, place archive, name, path string, spectra, asJSON bool) error {
	run, rounds, err := readRun(ctx, place, name)
	if err != nil {
		return err
	}
	arrays := 0
	err = writeFile(path, func(out *bufio.Writer) (err error) {
		if spectra {
			arrays, err = view.WriteSpectra(out, rounds)
			return err
		}
		return view.WriteLongTable(out, run, rounds)
	})
	if err != nil {
		return err
	}
	document := view.ExportMeasured{Run: run.ID, Rounds: len(rounds), File: path}
	if spectra {
		document.Arrays = &arrays
	}
	if asJSON {
		return view.WriteJSON(a.stdout, document)
	}
	_, err = fmt.Fprintf(a.stdout, "wrote %s: what was measured of run %s at its start and in %d rounds\n", path, run.ID, max(0, len(rounds)-1))
	return err
}
