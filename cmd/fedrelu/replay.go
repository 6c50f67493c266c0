package main

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/replay"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

const replayLong = `Compute a run again in this process from its record alone, round by round, and compare what comes out: participants and
weights, every model, what the rule remembers, and the states of shards. Whose updates count in a round that a quorum, a
deadline or a divergence closed is taken from the record; nothing else is. The exit code is 1 at the first difference.

It needs the data that the run was made with, and a build with the run's numerics version. Models need not be stored, but for
a start model that was submitted.`

// replayOptions are the flags of replay.
type replayOptions struct {
	where
	data   string
	rounds int
	asJSON bool
}

func newReplay(a *app) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay RUN",
		Short: "Compute a run again from its record and compare the hashes",
		Long:  replayLong,
		Example: `  fedrelu replay mnist-2nn
  fedrelu replay cluster --coordinator localhost:7070 --data ./data --rounds 10`,
		Args: exactly("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("rounds") && o.rounds < 0 {
				return usage("--rounds %d: want how many rounds, from 0", o.rounds)
			}
			return o.in(func(place archive) error { return o.replay(cmd.Context(), a, place, args[0]) })
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.data, "data", ".", "`folder` that relative paths of the spec's data are taken from")
	cmd.Flags().IntVar(&o.rounds, "rounds", -1, "stop after so many rounds `N` (default: all that are recorded)")
	cmd.Flag("rounds").DefValue = "" // it says it itself
	jsonFlag(cmd, &o.asJSON)
	return cmd
}

func (o *replayOptions) replay(ctx context.Context, a *app, place archive, name string) error {
	run, rounds, err := readRun(ctx, place, name)
	if err != nil {
		return err
	}
	document := view.Replay{Run: run.ID, Name: run.Name, Same: true}
	r, err := replay.Open(run, o.data, func(block []float32) error { return givenStart(ctx, place, run, block) })
	if err != nil {
		return err
	}
	if err := o.rerun(ctx, a, r, rounds, &document); err != nil {
		return err
	}
	if o.asJSON {
		err = view.WriteJSON(a.stdout, document)
	} else {
		err = document.WriteText(a.stdout)
	}
	if err == nil && !document.Same {
		err = &codeError{code: exitFailed}
	}
	return err
}

// rerun replays round after round up to the first difference, and says in the document what came of it.
func (o *replayOptions) rerun(ctx context.Context, a *app, r *replay.Replay, rounds []*record.RoundHistory, d *view.Replay) error {
	last := len(rounds) - 1
	for _, round := range rounds {
		if o.rounds >= 0 && round.Number > o.rounds {
			return nil
		}
		err := r.Round(ctx, round.Round)
		var different *replay.Difference
		if errors.As(err, &different) {
			d.Differ(different)
			return nil
		}
		if err != nil {
			return err
		}
		d.Add(round.Round)
		if round.Number > 0 {
			a.console.Printf("round %d/%d  the same: %s", round.Number, last, round.CloseReason)
		}
	}
	return nil
}

// givenStart reads the start model that was submitted with a run.
func givenStart(ctx context.Context, from archive, run record.Run, block []float32) error {
	var bytesOf bytes.Buffer
	zero := 0
	err := from.Export(ctx, run.ID, &zero, func(h control.Header) (io.Writer, error) { return &bytesOf, nil })
	if err != nil {
		return err
	}
	if bytesOf.Len() != 4*len(block) {
		return workload.ErrStart
	}
	tensor.Decode(block, bytesOf.Bytes())
	return nil
}
