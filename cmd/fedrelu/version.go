package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// buildVersion may be set by the linker (-X main.buildVersion=v1.2.3), for builds without version control.
var buildVersion string

// build names this build: the linker's version, or the module's, or the commit.
func build() string {
	if buildVersion != "" {
		return buildVersion
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if commit == "" {
		return "devel"
	}
	return "devel-" + commit + dirty
}

func newVersion(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of build, protocol, numerics and store",
		Long: `Print what this build is. Coordinator and workers must have the same protocol and numerics;
a store is read by builds of its format and later ones.`,
		Example: "  fedrelu version --json",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			v := view.Version{
				Build: build(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
				Protocol: wire.Protocol, Numerics: localsgd.Numerics, Store: store.Format,
			}
			if asJSON {
				return view.WriteJSON(a.stdout, v)
			}
			return v.WriteTable(a.stdout)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
