package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/coordinator"
	"github.com/fedrelu/fedrelu/coordinator/web"
)

const coordinatorLong = `Serve workers and operators until told to stop (Ctrl-C, SIGTERM). Submitted runs are computed one after the
other; runs that were not ended when an earlier coordinator of the directory stopped, or was killed, go on.

With --http there are /healthz, a status page at /, and /metrics for Prometheus.
With --token-file only workers that show the same token may join.`

// coordinatorOptions are the flags of coordinator.
type coordinatorOptions struct {
	listen, http, pprof, dir, data, tokenFile string
	verbose                                   bool
}

func newCoordinator(a *app) *cobra.Command {
	var o coordinatorOptions
	cmd := &cobra.Command{
		Use:   "coordinator",
		Short: "Serve workers and operators",
		Long:  coordinatorLong,
		Example: `  fedrelu coordinator --listen :7070 --http :7071 --dir /var/lib/fedrelu --data /srv/data
  fedrelu worker --coordinator HOST:7070`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.serve(cmd.Context(), a) },
	}
	cmd.Flags().StringVar(&o.listen, "listen", ":7070", "`address` for workers and operators")
	cmd.Flags().StringVar(&o.http, "http", "", "`address` for health, status and metrics (default: none)")
	profilesFlag(cmd, &o.pprof)
	cmd.Flags().StringVar(&o.dir, "dir", "./"+defaultDir, "`directory` of the store")
	cmd.Flags().StringVar(&o.data, "data", ".", "`folder` from which relative data paths of specs are taken")
	cmd.Flags().StringVar(&o.tokenFile, "token-file", "", "`file` with the token that workers must show")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "log every phase of every round")
	return cmd
}

func (o *coordinatorOptions) serve(ctx context.Context, a *app) error {
	token, err := readToken(o.tokenFile)
	if err != nil {
		return err
	}
	log := a.logger(logLevel(o.verbose), true)
	e, err := startEngine(coordinator.Config{
		Dir: o.dir, Data: o.data, Build: build(), Token: token, Resume: true, Logger: log,
	}, o.listen)
	if err != nil {
		return err
	}
	log.Info("coordinator serves", "address", e.address, "dir", o.dir, "build", build())
	stopHTTP, err := serveHTTP(o.http, "status page", web.New(newStatusSource(e), nil), log)
	if err != nil {
		return errors.Join(err, e.stop())
	}
	stopProfiles, err := serveProfiles(o.pprof, log)
	if err != nil {
		return errors.Join(err, e.stop(), stopHTTP())
	}
	ctx, restore := interruptible(ctx, func() { log.Info("stopping; once more to stop at once") })
	defer restore()
	select {
	case <-ctx.Done():
	case <-e.ended: // by an error
	}
	err = errors.Join(e.stop(), stopHTTP(), stopProfiles())
	log.Info("coordinator has stopped")
	return err
}

func logLevel(verbose bool) slog.Level {
	if verbose {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
