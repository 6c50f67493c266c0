package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
)

func newRunsShow(a *app) *cobra.Command {
	var w where
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Show a run: its spec with all defaults, and every round",
		Long: `Show a run: its spec with all defaults filled in, and what is recorded of every round.
The JSON document has everything that was measured; a number that was not is null.`,
		Example: `  fedrelu runs show mnist-2nn
  fedrelu runs show mnist-2nn --json | jq '.rounds[-1].test_accuracy'`,
		Args: exactly("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.in(func(place archive) error {
				run, rounds, err := readRun(cmd.Context(), place, args[0])
				if err != nil {
					return err
				}
				if !asJSON {
					return view.WriteRun(a.stdout, run, rounds)
				}
				document, err := view.NewShow(run, rounds)
				if err != nil {
					return err
				}
				return view.WriteJSON(a.stdout, document)
			})
		},
	}
	w.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// readRun reads all that is recorded of a run.
func readRun(ctx context.Context, place archive, name string) (record.Run, []*record.RoundHistory, error) {
	var run record.Run
	var history record.History
	err := place.Follow(ctx, name, 0, false, func(e control.Event) error {
		if e.Run != nil {
			run = *e.Run
		}
		if e.Entry != nil {
			return history.Add(*e.Entry)
		}
		return nil
	})
	history.Finish(&run)
	return run, history.Rounds(), err
}
