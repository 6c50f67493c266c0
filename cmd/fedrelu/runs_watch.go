package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
)

func newRunsWatch(a *app) *cobra.Command {
	var w where
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "watch RUN",
		Short: "Follow a run until it ends",
		Long: `Show the rounds of a run, and go on until it has ended, which gives the exit code. Ctrl-C ends the watching, not
the run. In a directory that nobody serves nothing goes on: what is there is shown.`,
		Example: "  fedrelu runs watch mnist-2nn --coordinator localhost:7070",
		Args:    exactly("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.in(func(place archive) error {
				story, err := follow(cmd.Context(), a, place, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					err = view.WriteJSON(a.stdout, story.Result(0))
				} else {
					err = story.WriteSummary(a.stdout)
				}
				return firstOf(err, outcome(story.Run, w.resume(story.Run.ID)))
			})
		},
	}
	w.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// resume is the command by which a stopped run goes on.
func (w *where) resume(id string) string {
	if w.coordinator != "" {
		return fmt.Sprintf("fedrelu runs resume %s --coordinator %s", id, w.coordinator)
	}
	return fmt.Sprintf("fedrelu run --resume %s --dir %s", id, w.dir)
}

// follow shows a run until it has ended. An interrupt ends the watching alone.
func follow(ctx context.Context, a *app, place archive, run string) (*view.Story, error) {
	ctx, restore := interruptible(ctx, func() {})
	defer restore()
	w := newWatcher(a.console)
	w.begin()
	err := w.follow(ctx, place, run)
	story := w.end()
	if ctx.Err() != nil && !w.ended() {
		return nil, &codeError{exitStopped, fmt.Errorf("the watching was stopped; run %s goes on", story.Run.ID)}
	}
	return story, err
}
