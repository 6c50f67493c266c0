package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/worker"
)

const workerLong = `Join a coordinator and compute its tasks until told to stop (Ctrl-C, SIGTERM). A coordinator that is gone is looked for
for ever, with growing pauses. A worker that is started again with the same --name and --dir takes its old place.

Under data.workers a worker brings its own shards: shard 3 lies in the folder 3 of --data, or, where --shards names one shard,
in --data itself. Without --shards it serves the shards whose folders are there.`

// workerOptions are the flags of worker.
type workerOptions struct {
	coordinator, name, shards, dir, data, tokenFile, pprof string
	slots                                                  int
	verbose                                                bool
}

func newWorker(a *app) *cobra.Command {
	var o workerOptions
	cmd := &cobra.Command{
		Use:   "worker --coordinator ADDRESS",
		Short: "Join a coordinator and compute for it",
		Long:  workerLong,
		Example: `  fedrelu worker --coordinator host:7070
  fedrelu worker --coordinator host:7070 --name left --shards 0-49 --slots 2 --data /srv/data
  fedrelu worker --coordinator host:7070 --name clinic --shards 3 --data /srv/clinic`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.work(cmd.Context(), a) },
	}
	coordinatorFlag(cmd, &o.coordinator)
	cmd.Flags().StringVar(&o.name, "name", "", "`name` of this worker (default: that of the machine)")
	cmd.Flags().StringVar(&o.shards, "shards", "", "`shards` that this worker serves, as in 0-9,12 (default: all)")
	cmd.Flags().IntVar(&o.slots, "slots", 0, "tasks `N` computed at once (default: one for each processor)")
	cmd.Flags().StringVar(&o.dir, "dir", "./fedrelu-worker", "`directory` for the worker's state")
	cmd.Flags().StringVar(&o.data, "data", ".", "`folder` from which relative data paths of specs are taken")
	profilesFlag(cmd, &o.pprof)
	cmd.Flags().StringVar(&o.tokenFile, "token-file", "", "`file` with the token that the coordinator wants to see")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "log every task")
	return cmd
}

func (o *workerOptions) work(ctx context.Context, a *app) error {
	cfg, err := o.config(a)
	if err != nil {
		return err
	}
	w, err := worker.Open(cfg)
	if errors.Is(err, worker.ErrConfig) {
		return &codeError{exitUsage, err}
	} else if err != nil {
		return err
	}
	stopProfiles, err := serveProfiles(o.pprof, cfg.Logger)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	ctx, restore := interruptible(ctx, func() { cfg.Logger.Info("stopping; once more to stop at once") })
	defer restore()
	return errors.Join(w.Run(ctx), stopProfiles())
}

func (o *workerOptions) config(a *app) (worker.Config, error) {
	ranges, err := parseRanges(o.shards)
	if err != nil {
		return worker.Config{}, usage("--shards: %w", err)
	}
	token, err := readToken(o.tokenFile)
	if err != nil {
		return worker.Config{}, err
	}
	name := o.name
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return worker.Config{}, usage("finding the name of this machine (give the worker's with --name): %w", err)
		}
	}
	return worker.Config{
		Name: name, Dir: o.dir, Data: o.data, Shards: ranges, Slots: o.slots, Token: token, Build: build(),
		Dial: worker.DialAddress(o.coordinator), Logger: a.logger(logLevel(o.verbose), true),
	}, nil
}

// maxToken bounds a token file.
const maxToken = 4096

// readToken reads a token from a file, without blanks around it. No file is no token.
func readToken(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usage("--token-file: %w", err)
		}
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	token := bytes.TrimSpace(data)
	if len(token) == 0 || len(token) > maxToken {
		return nil, usage("--token-file %s: %d bytes, want 1 to %d", path, len(token), maxToken)
	}
	return token, nil
}
