package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/control"
)

// healthTimeout is how long a coordinator may take to answer.
const healthTimeout = 4 * time.Second

func newHealth(a *app) *cobra.Command {
	var address string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "health --coordinator ADDRESS",
		Short: "Exit with 0 if a coordinator serves, otherwise with 1",
		Long:  "Ask a coordinator how it is. The answer, or that there is none, takes at most five seconds.",
		Example: `  fedrelu health --coordinator localhost:7070
  fedrelu health --coordinator localhost:7070 --json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
			defer cancel()
			h, err := askHealth(ctx, address)
			if asJSON {
				if writeErr := view.WriteJSON(a.stdout, view.NewHealth(h, err)); err == nil {
					err = writeErr
				}
				return err
			}
			if err != nil {
				return err
			}
			return view.WriteHealth(a.stdout, h)
		},
	}
	coordinatorFlag(cmd, &address)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func askHealth(ctx context.Context, address string) (control.Health, error) {
	client, err := control.Dial(address)
	if err != nil {
		return control.Health{}, err
	}
	defer client.Close()
	return client.Health(ctx)
}

// coordinatorFlag adds --coordinator where it has to be given.
func coordinatorFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "coordinator", "", "`address` of the coordinator, host:port (required)")
	if err := cmd.MarkFlagRequired("coordinator"); err != nil {
		panic(err) // there is no such flag
	}
}
