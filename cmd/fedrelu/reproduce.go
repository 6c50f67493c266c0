package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	claimspecs "github.com/fedrelu/fedrelu/examples/claims"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/papers"
)

const reproduceLong = `Measure what six papers, FedAvg's, and the study of averaging and rank claim, and say of each claim whether it holds:
a sentence, where it is stated, the set-up, what is predicted, what was measured with its 95% interval, the threshold that
was fixed before, and the verdict with its reason.

PAPER is all (the default), NAMES, or the id of a claim.

Exact claims are checked to rounding, and one violation fails them. Trends have paired seeds; their verdict is where the
interval of the effect lies: on the claimed side of the threshold it holds, on the other it fails, otherwise it is
inconclusive. --quick measures everything smaller, with three seeds; --full is for numbers to quote. Each claim is a spec
(examples/claims), so --set tries it on another network or other data; paths are taken from the working directory. What the
analysis of a claim varies itself is refused; what --quick makes smaller is as --set has it.

-o writes every figure as SVG, every table as CSV, claims.json, and index.html with all of it. The exit code is 1 if an
exact claim fails or a claim could not be measured; a trend that fails is a finding, and is said.`

// reproduction is a command line of reproduce.
type reproduction struct {
	names       []string
	set         []string
	quick, full bool
	asJSON      bool
	folder      string
	specs       fs.FS
}

func newReproduce(a *app) *cobra.Command {
	r := reproduction{specs: claimspecs.FS}
	cmd := &cobra.Command{
		Use:   "reproduce [PAPER | CLAIM]...",
		Short: "Measure the claims of the papers, and say which hold",
		Long:  strings.Replace(reproduceLong, "NAMES", strings.Join(papers.Names(), ", "), 1),
		Example: `  fedrelu reproduce all --quick
  fedrelu reproduce low-rank -o low-rank
  fedrelu reproduce P1.14 --full --json
  fedrelu reproduce P1.14 --set 'data={idx: {dir: my-images}}' --set 'model.mlp.hidden=[128, 128]'`,
		ValidArgs: append([]string{"all"}, papers.Names()...),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.names = args
			return a.reproduce(cmd.Context(), &r)
		},
	}
	specFlags(cmd, &r.set)
	jsonFlag(cmd, &r.asJSON)
	cmd.Flags().BoolVar(&r.quick, "quick", false, "measure every claim, smaller, in minutes")
	cmd.Flags().BoolVar(&r.full, "full", false, "measure at the sizes of the papers as far as two cores go, in an hour or two")
	cmd.Flags().StringVarP(&r.folder, "output", "o", "", "write figures, tables, claims.json and index.html to this `DIR`")
	cmd.MarkFlagsMutuallyExclusive("quick", "full")
	return cmd
}

func (r *reproduction) lab(say func(string, ...any)) *claims.Lab {
	lab := &claims.Lab{Size: claims.Medium, Specs: r.specs, Set: r.set, Threads: runtime.GOMAXPROCS(0), Say: say}
	switch {
	case r.quick:
		lab.Size = claims.Quick
	case r.full:
		lab.Size = claims.Full
	}
	return lab
}

// command is what was typed, without the program's folder.
func (r *reproduction) command() string {
	words := append([]string{"fedrelu", "reproduce"}, r.names...)
	if r.quick {
		words = append(words, "--quick")
	}
	if r.full {
		words = append(words, "--full")
	}
	for _, s := range r.set {
		words = append(words, "--set '"+s+"'")
	}
	return strings.Join(words, " ")
}

func (a *app) reproduce(parent context.Context, r *reproduction) error {
	chosen, err := papers.Select(r.names)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	if err := papers.CheckSpecs(chosen, r.lab(nil)); err != nil {
		return &codeError{exitUsage, err}
	}
	if r.folder != "" {
		if err := os.MkdirAll(r.folder, 0o755); err != nil {
			return fmt.Errorf("making the folder of the results: %w", err)
		}
	}
	ctx, stop := interruptible(parent, func() { a.console.Printf("stopping; once more ends at once") })
	defer stop()
	reports, err := a.measurePapers(ctx, r, chosen)
	if err != nil {
		return err
	}
	return a.concludeClaims(ctx, r, reports)
}

// measurePapers measures one paper after the other, and prints and writes each when it is done.
func (a *app) measurePapers(ctx context.Context, r *reproduction, chosen []claims.Paper) ([]papers.Report, error) {
	watch := newClaimWatch(a.console, chosen)
	defer watch.stop()
	var reports []papers.Report
	for _, p := range chosen {
		report := papers.Measure(ctx, p, r.lab(watch.say), watch.begin, watch.end)
		reports = append(reports, report)
		if !r.asJSON {
			watch.pause()
			if err := view.WritePaper(a.stdout, report, a.stdoutWidth()); err != nil {
				return nil, err
			}
		}
		if r.folder != "" {
			if err := writeClaims(r, reports); err != nil {
				return nil, err
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return reports, nil
}

// concludeClaims prints what all papers came to, and turns it into an exit code.
func (a *app) concludeClaims(ctx context.Context, r *reproduction, reports []papers.Report) error {
	document := view.NewReproduce(reports)
	var err error
	switch {
	case r.asJSON:
		err = view.WriteJSON(a.stdout, document)
	case len(document.Claims) > 1:
		err = document.WriteOverview(a.stdout, a.stdoutWidth())
	}
	if err != nil {
		return err
	}
	if r.folder != "" {
		a.console.Printf("figures, tables and index.html are in %s", r.folder)
	}
	if ctx.Err() != nil {
		return &codeError{exitStopped, errors.New("stopped")}
	}
	var failed []string
	for _, c := range document.Claims {
		if c.Failed {
			failed = append(failed, c.ID)
		}
	}
	if len(failed) > 0 {
		return &codeError{exitFailed, fmt.Errorf("exact claims that fail, or claims that could not be measured: %s", strings.Join(failed, ", "))}
	}
	return nil
}

// stdoutWidth is the width for what people read: the terminal's, or that of a page.
func (a *app) stdoutWidth() int {
	if f, ok := a.stdout.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 100
}
