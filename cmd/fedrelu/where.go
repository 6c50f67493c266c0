package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/offline"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
)

// defaultDir is where run and coordinator keep their store.
const defaultDir = "fedrelu-data"

// where says where runs are looked up.
type where struct{ dir, coordinator string }

// flags adds [where].
func (w *where) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.dir, "dir", "./"+defaultDir, "`directory` of the store; nobody may serve it")
	cmd.Flags().StringVar(&w.coordinator, "coordinator", "", "`address` of a running coordinator, host:port")
	cmd.MarkFlagsMutuallyExclusive("dir", "coordinator")
}

// archive is a place with runs: a coordinator, or a directory that nobody serves.
type archive interface {
	Runs(ctx context.Context) ([]record.Run, error)
	Follow(ctx context.Context, run string, from uint64, follow bool, each func(control.Event) error) error
	Cancel(ctx context.Context, run string) error
	Resume(ctx context.Context, run string) (string, error)
	Remove(ctx context.Context, run string) error
	Export(ctx context.Context, run string, round *int, to func(control.Header) (io.Writer, error)) error
	Close() error
}

func (w *where) open() (archive, error) {
	if w.coordinator != "" {
		return control.Dial(w.coordinator)
	}
	return offline.Open(w.dir)
}

// in opens the place, does something there, and closes it.
func (w *where) in(do func(archive) error) (err error) {
	place, err := w.open()
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := place.Close(); err == nil {
			err = closeErr
		}
	}()
	return do(place)
}
