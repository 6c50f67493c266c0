package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/spf13/cobra"
)

// serveHTTP serves handler at listen and returns what ends that. Without an address nothing is served. what names the
// thing in the log.
func serveHTTP(listen, what string, handler http.Handler, log *slog.Logger) (stop func() error, err error) {
	if listen == "" {
		return func() error { return nil }, nil
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("serving HTTP at %s: %w", listen, err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	log.Info(what, "url", "http://"+reachable(listener.Addr())+"/")
	return func() error {
		closeErr := server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return closeErr
	}, nil
}

// profilesFlag adds --pprof.
func profilesFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "pprof", "", "`address` for Go's profiles under /debug/pprof/, not for everybody (default: none)")
}

// serveProfiles serves Go's profiles of this process, a forced collection among them (heap?gc=1).
func serveProfiles(listen string, log *slog.Logger) (stop func() error, err error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return serveHTTP(listen, "profiles", mux, log)
}
