package worker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/fedrelu/fedrelu/proto/wire"
)

// Worker is one worker of a cluster.
type Worker struct {
	cfg Config
	id  *identity

	kept   *keptRuns // nil until Run
	once   sync.Once
	closed error
}

// Open checks the configuration and takes the worker's directory, with an error that wraps ErrConfig, ErrInUse or
// ErrIdentity where that is why it cannot be. Run or Close gives the directory free.
func Open(cfg Config) (*Worker, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	id, err := openIdentity(filepath.Join(cfg.Dir, cfg.Name))
	if err != nil {
		return nil, err
	}
	cfg.Logger = cfg.Logger.With("worker", cfg.Name)
	return &Worker{cfg: cfg, id: id}, nil
}

// Instance returns the identity that is kept in the worker's directory.
func (w *Worker) Instance() wire.Instance { return w.id.instance }

// Close gives the directory of a worker free that is not running. Repeated calls do nothing.
func (w *Worker) Close() error {
	w.once.Do(func() { w.closed = w.id.close() })
	return w.closed
}

// Run serves until ctx ends, and returns nil within a second of that, or once the training steps under way and a load
// of data are done if these take longer. It joins again for ever, except that a refusal for good ends it with an error
// that wraps ErrVersion, ErrToken, ErrNameInUse or ErrRefused. It is called once, and closes the worker.
func (w *Worker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := newAgent(&w.cfg, filepath.Join(w.cfg.Dir, w.cfg.Name, statesName))
	w.kept = a.loader.kept
	if err := a.loader.openKept(); err != nil {
		return errors.Join(fmt.Errorf("looking for states of shards: %w", err), a.loader.close(), w.Close())
	}
	var all sync.WaitGroup
	for _, h := range a.hands() { // slots, pusher, fetcher, loader
		all.Go(func() { h.work(a.report) })
	}
	all.Go(func() { a.work(ctx) })
	err := w.sessions(ctx, a) // a session adds one goroutine for its time
	cancel()
	all.Wait()
	return errors.Join(err, a.loader.close(), w.Close())
}
