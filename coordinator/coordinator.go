package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Config says how a coordinator works. Zero values stand for defaults where one is named.
type Config struct {
	Dir     string // of the store
	Data    string // relative data paths of specs are taken from here
	Build   string // told to workers and recorded
	Address string // where it serves, told to whoever finds the directory in use
	Token   []byte // that workers must have; none: any worker may join
	Resume  bool   // go on at start with runs that were not ended
	Local   bool   // all workers are on this machine: takes specs that only a local run may have
	Logger  *slog.Logger

	Heartbeat     time.Duration // between a worker's heartbeats; 500 ms
	Lost          time.Duration // a worker that was silent for so long is lost; 3 s
	MeasureGiveUp time.Duration // a measurement without a worker that could do it is given up; 30 s
	Parallel      int           // goroutines that evaluate; GOMAXPROCS
}

// Coordinator runs queued runs one after the other. Its methods may be called from any goroutine.
type Coordinator struct {
	cfg     Config
	log     *slog.Logger
	store   *store.Store
	staging *staging
	models  *models
	traffic traffic
	changed beacon         // fires when a run, its chain or its progress has changed
	stopped chan struct{}  // closed when nothing will change any more
	readers sync.WaitGroup // that the store is kept open for
	queued  chan struct{}

	mu          sync.Mutex
	sessions    map[round.WorkerID]*Session
	byName      map[string]*Session
	lastSession uint64
	active      *owner
	closed      bool

	data dataCache
}

// traffic counts bytes on the wire: up from workers, down to them.
type traffic struct{ up, down atomic.Int64 }

// Count adds bytes that went over the workers' connections, payload and framing.
func (c *Coordinator) Count(up, down int64) {
	c.traffic.up.Add(up)
	c.traffic.down.Add(down)
}

// Open opens the store in cfg.Dir, making it if need be. It returns a *store.InUseError when another process holds it.
func Open(cfg Config) (*Coordinator, error) {
	fillDefaults(&cfg)
	st, err := store.Open(cfg.Dir, store.Options{})
	if err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", cfg.Dir, err)
	}
	c := &Coordinator{
		cfg: cfg, log: cfg.Logger, store: st,
		staging: newStaging(cfg.Dir), models: newModels(),
		queued:   make(chan struct{}, 1),
		stopped:  make(chan struct{}),
		sessions: make(map[round.WorkerID]*Session), byName: make(map[string]*Session),
	}
	if err := errors.Join(st.SetAddress(cfg.Address), c.adoptUnfinished()); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return c, nil
}

// adoptUnfinished decides on runs that an earlier process left unended.
func (c *Coordinator) adoptUnfinished() error {
	runs, err := c.store.Runs()
	if err != nil {
		return fmt.Errorf("listing runs: %w", err)
	}
	for _, r := range runs {
		switch {
		case c.cfg.Resume && (r.Status == record.Running || r.Status == record.Stopped):
			err = c.store.SetStatus(r.ID, record.Queued, "going on after a restart of the coordinator")
		case r.Status == record.Running || !c.cfg.Resume && r.Status == record.Queued:
			err = c.store.SetStatus(r.ID, record.Stopped, "the coordinator ended before the run did")
		}
		if err != nil {
			return fmt.Errorf("adopting run %s: %w", r.ID, err)
		}
	}
	return nil
}

// Run serves the queue until ctx ends. Then it stops the active run between two steps, with what it has committed, ends
// all sessions, lets followers hear the end, closes the store, and returns nil.
func (c *Coordinator) Run(ctx context.Context) error {
	var err error
	for ctx.Err() == nil && err == nil {
		err = c.serveNext(ctx)
	}
	c.endSessions()
	close(c.stopped)
	c.readers.Wait()
	return errors.Join(err, c.store.Close())
}

func (c *Coordinator) serveNext(ctx context.Context) error {
	runs, err := c.store.Runs()
	if err != nil {
		return fmt.Errorf("reading the queue: %w", err)
	}
	for _, r := range runs {
		if r.Status == record.Queued {
			return c.execute(ctx, r)
		}
	}
	select {
	case <-c.queued:
	case <-ctx.Done():
	}
	return nil
}

func (c *Coordinator) endSessions() {
	c.mu.Lock()
	c.closed = true
	var all []*Session
	for _, s := range c.sessions {
		all = append(all, s)
	}
	c.mu.Unlock()
	for _, s := range all {
		c.Leave(s, ErrClosed)
	}
}

// beacon tells any number of waiting goroutines that something has changed.
type beacon struct {
	mu sync.Mutex
	ch chan struct{}
}

// watch returns a channel that the next fire closes.
func (b *beacon) watch() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *beacon) fire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// dataCache keeps the data of the last run: runs in a queue often share theirs. Only the active owner uses it.
type dataCache struct {
	of    spec.Source
	data  shard.Data
	print shard.Fingerprint
}
