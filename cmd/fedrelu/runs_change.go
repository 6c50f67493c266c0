package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// callTimeout bounds calls that only change what is recorded of a run.
const callTimeout = 30 * time.Second

// change is a command that does one thing to one run.
type change struct {
	use, short, long, example string
	do                        func(ctx context.Context, place archive, run string) error
	done                      string // said on stderr
}

func (c change) command(a *app, aliases ...string) *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use: c.use, Aliases: aliases, Short: c.short, Long: c.long, Example: c.example,
		Args: exactly("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), callTimeout)
			defer cancel()
			return w.in(func(place archive) error {
				if err := c.do(ctx, place, args[0]); err != nil {
					return err
				}
				a.console.Printf("run %s %s", args[0], c.done)
				return nil
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func newRunsCancel(a *app) *cobra.Command {
	return change{
		use: "cancel RUN", short: "End a run for good", done: "is cancelled",
		long:    "End a queued, running or stopped run for good. What it has committed stays.",
		example: "  fedrelu runs cancel mnist-2nn --coordinator localhost:7070",
		do:      func(ctx context.Context, place archive, run string) error { return place.Cancel(ctx, run) },
	}.command(a)
}

func newRunsResume(a *app) *cobra.Command {
	return change{
		use: "resume RUN", short: "Queue a stopped run again", done: "is queued",
		long: `Queue a stopped run of a coordinator again; it goes on after its last committed round.
In a directory that nobody serves, use fedrelu run --resume.`,
		example: "  fedrelu runs resume mnist-2nn --coordinator localhost:7070",
		do: func(ctx context.Context, place archive, run string) error {
			_, err := place.Resume(ctx, run)
			return err
		},
	}.command(a)
}

func newRunsRemove(a *app) *cobra.Command {
	return change{
		use: "rm RUN", short: "Remove a run with its records and models", done: "is removed",
		long:    "Remove a run that is not queued or running, with everything that is stored of it. There is no way back.",
		example: "  fedrelu runs rm mnist-2nn",
		do:      func(ctx context.Context, place archive, run string) error { return place.Remove(ctx, run) },
	}.command(a, "remove")
}
