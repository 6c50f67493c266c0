package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/debug"
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

// memProfileRate is Go's own. Without --pprof main leaves it at 0: the table of samples takes a megabyte or two.
const memProfileRate = 512 << 10

// profilesFlag adds --pprof.
func profilesFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "pprof", "", "`address` for Go's profiles under /debug/pprof/, not for everybody (default: none)")
}

// serveProfiles serves Go's profiles of this process, and beside them /debug/collect: a collection that gives all free
// memory back to the system and answers with the bytes that live, for whoever measures memory from the outside.
func serveProfiles(listen string, log *slog.Logger) (stop func() error, err error) {
	if listen != "" {
		runtime.MemProfileRate = memProfileRate
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("POST /debug/collect", func(w http.ResponseWriter, _ *http.Request) {
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintln(w, m.HeapAlloc)
	})
	return serveHTTP(listen, "profiles", mux, log)
}
