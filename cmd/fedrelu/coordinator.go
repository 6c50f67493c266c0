package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

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
	listen, http, dir, data, tokenFile string
	verbose                            bool
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
	stopHTTP, err := o.serveHTTP(e, log)
	if err != nil {
		return errors.Join(err, e.stop())
	}
	ctx, restore := interruptible(ctx, func() { log.Info("stopping; once more to stop at once") })
	defer restore()
	select {
	case <-ctx.Done():
	case <-e.ended: // by an error
	}
	err = errors.Join(e.stop(), stopHTTP())
	log.Info("coordinator has stopped")
	return err
}

// serveHTTP starts the room for HTTP, if one is wanted, and returns what ends it.
func (o *coordinatorOptions) serveHTTP(e *engine, log *slog.Logger) (stop func() error, err error) {
	if o.http == "" {
		return func() error { return nil }, nil
	}
	listener, err := net.Listen("tcp", o.http)
	if err != nil {
		return nil, fmt.Errorf("serving HTTP at %s: %w", o.http, err)
	}
	server := &http.Server{
		Handler: web.New(newStatusSource(e), nil), ReadHeaderTimeout: 5 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	log.Info("status page", "url", "http://"+reachable(listener.Addr())+"/")
	return func() error {
		closeErr := server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return closeErr
	}, nil
}

func logLevel(verbose bool) slog.Level {
	if verbose {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
