package main

import (
	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/store"
)

func newVerify(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check everything in a store: pages, CRCs, hash chains, models",
		Long: `Check every page, every entry of every run's hash chain, every chunk's CRC and every model's SHA-256 of the
store in DIR. Nothing is changed. The exit code is 1 if anything is not as it was written.`,
		Example: "  fedrelu verify ./fedrelu-data",
		Args:    exactly("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			report, err := store.Verify(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				err = view.WriteJSON(a.stdout, view.NewReport(report))
			} else {
				err = view.WriteReport(a.stdout, report)
			}
			if err == nil && !report.OK() {
				err = &codeError{code: exitFailed}
			}
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
