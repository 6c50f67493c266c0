package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
)

func newRuns(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List, show, watch, cancel, resume and remove runs",
		Long: `Look at the runs of a directory that nobody serves (--dir), or of a running coordinator (--coordinator), and
change what becomes of them.`,
		Example: `  fedrelu runs list
  fedrelu runs show mnist-2nn --json`,
		// An unknown command is more to the point than its unknown flags.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownCommand(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRunsList(a), newRunsShow(a), newRunsWatch(a), newRunsCancel(a), newRunsResume(a), newRunsRemove(a))
	return cmd
}

// unknownCommand is what cobra says at the root.
func unknownCommand(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown command %q for %q", name, cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(name); len(like) > 0 {
		text += "\n\nDid you mean this?\n\t" + strings.Join(like, "\n\t")
	}
	return errors.New(text)
}

func newRunsList(a *app) *cobra.Command {
	var w where
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List all runs",
		Long:    "List all runs of a directory or a coordinator, in the order of their submission.",
		Example: `  fedrelu runs list
  fedrelu runs list --coordinator localhost:7070 --json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.in(func(place archive) error {
				runs, err := place.Runs(cmd.Context())
				if err != nil && len(runs) == 0 {
					return err
				}
				if asJSON {
					return firstOf(view.WriteJSON(a.stdout, view.NewList(runs)), err)
				}
				return firstOf(view.WriteList(a.stdout, runs), err)
			})
		},
	}
	w.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// firstOf returns the first error that is one.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
