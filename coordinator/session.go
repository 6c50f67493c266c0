package coordinator

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// Why a worker is refused or its session ends.
var (
	// ErrVersion: the worker speaks another protocol, or computes with other numerics.
	ErrVersion = errors.New("version mismatch")
	// ErrToken: the worker does not have this coordinator's token.
	ErrToken = errors.New("wrong token")
	// ErrNameInUse: a live worker has the name.
	ErrNameInUse = errors.New("name in use by a live worker")
	// ErrHello: a field of the Hello cannot be.
	ErrHello = errors.New("invalid hello")
	// ErrLost: nothing was heard of the worker for too long.
	ErrLost = errors.New("nothing heard of the worker")
	// ErrFenced: the same worker has joined again.
	ErrFenced = errors.New("fenced off: the worker has joined again")
	// ErrSlow: the worker does not read its messages.
	ErrSlow = errors.New("the worker does not take its messages")
	// ErrClosed: the coordinator is ending.
	ErrClosed = errors.New("the coordinator is ending")
)

// outboxSize bounds the messages that wait for a worker which does not read.
const outboxSize = 4096

// Session is a worker's membership. It begins with Coordinator.Join and ends, once and for all, when Done is closed.
type Session struct {
	ID    round.WorkerID
	Hello wire.Hello
	Since time.Time

	serves round.ShardSet
	out    chan wire.ToWorker
	alive  *time.Timer

	ctx context.Context // ends with the session
	end context.CancelCauseFunc
}

// Messages are what the coordinator has to say to the worker.
func (s *Session) Messages() <-chan wire.ToWorker { return s.out }

// Done is closed when the session has ended; Err then says why.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Err returns why the session ended, nil while it lasts.
func (s *Session) Err() error { return context.Cause(s.ctx) }

// bound returns a context that ends with the session or with ctx.
func (s *Session) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(s.Err()) })
	return ctx, func() { stop(); cancel(nil) }
}

// Join admits a worker, or says why not. A worker that comes back from the same directory takes its old place at once.
func (c *Coordinator) Join(h wire.Hello) (*Session, error) {
	serves, err := c.examine(h)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	old := c.byName[h.Name]
	if old != nil && old.Hello.Instance != h.Instance {
		c.mu.Unlock()
		return nil, fmt.Errorf("%w: %q, since %s", ErrNameInUse, h.Name, old.Since.Format(time.RFC3339))
	}
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	c.lastSession++
	s := &Session{
		ID: round.WorkerID(c.lastSession), Hello: h, Since: time.Now(), serves: serves,
		out: make(chan wire.ToWorker, outboxSize),
	}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	s.alive = time.AfterFunc(c.cfg.Lost, func() { c.Leave(s, fmt.Errorf("%w for %v", ErrLost, c.cfg.Lost)) })
	c.byName[h.Name] = s
	c.sessions[s.ID] = s
	active := c.active
	c.mu.Unlock()

	if old != nil {
		c.finish(old, ErrFenced)
	}
	s.out <- wire.Welcome{Session: uint64(s.ID), Heartbeat: c.cfg.Heartbeat, Lost: c.cfg.Lost, Build: c.cfg.Build}
	c.log.Info("worker joined", "worker", h.Name, "session", s.ID, "slots", h.Slots, "shards", serves)
	if h.Build != c.cfg.Build {
		c.log.Warn("worker has another build", "worker", h.Name, "build", h.Build, "ours", c.cfg.Build)
	}
	c.answerKept(s)
	if active != nil {
		active.inbox.put(joined{s})
	}
	return s, nil
}

func (c *Coordinator) examine(h wire.Hello) (round.ShardSet, error) {
	if h.Protocol != wire.Protocol || h.Numerics != localsgd.Numerics {
		return round.ShardSet{}, fmt.Errorf("%w: worker %q (build %s) has protocol %d and numerics %d, this coordinator (build %s) %d and %d",
			ErrVersion, h.Name, h.Build, h.Protocol, h.Numerics, c.cfg.Build, wire.Protocol, localsgd.Numerics)
	}
	if len(c.cfg.Token) > 0 && subtle.ConstantTimeCompare(c.cfg.Token, h.Token) != 1 {
		return round.ShardSet{}, fmt.Errorf("%w: worker %q", ErrToken, h.Name)
	}
	if len(h.Shards) == 0 {
		return round.AllShards(), nil
	}
	ranges := make([]round.Range, len(h.Shards))
	for i, r := range h.Shards {
		ranges[i] = round.Range(r)
	}
	serves, err := round.NewShardSet(ranges...)
	if err != nil {
		return serves, fmt.Errorf("%w: shards of worker %q: %w", ErrHello, h.Name, err)
	}
	return serves, nil
}

// Deliver takes a message of the worker.
func (c *Coordinator) Deliver(s *Session, m wire.FromWorker) {
	s.alive.Reset(c.cfg.Lost)
	switch m.(type) {
	case wire.Heartbeat:
		return
	case wire.Hello:
		c.Leave(s, fmt.Errorf("%w: hello: the session has begun already", wire.ErrMessage))
		return
	}
	if o := c.activeOwner(); o != nil {
		o.inbox.put(message{s, m})
	}
}

// Leave ends a session.
func (c *Coordinator) Leave(s *Session, why error) {
	c.mu.Lock()
	if c.byName[s.Hello.Name] == s {
		delete(c.byName, s.Hello.Name)
	}
	c.mu.Unlock()
	c.finish(s, why)
}

// finish ends the session; only its first call does anything.
func (c *Coordinator) finish(s *Session, why error) {
	c.mu.Lock()
	_, lasts := c.sessions[s.ID]
	delete(c.sessions, s.ID)
	active := c.active
	c.mu.Unlock()
	if !lasts {
		return
	}
	s.alive.Stop()
	s.end(why)
	c.log.Info("worker left", "worker", s.Hello.Name, "session", s.ID, "why", why)
	if active != nil {
		active.inbox.put(left{s, why})
	}
}

// tell sends a message to the worker without waiting. A worker that does not read loses its place.
func (c *Coordinator) tell(s *Session, m wire.ToWorker) {
	select {
	case <-s.ctx.Done():
	case s.out <- m:
	default:
		c.Leave(s, ErrSlow)
	}
}

// live returns the session with this id, or nil.
func (c *Coordinator) live(id uint64) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[round.WorkerID(id)]
}

func (c *Coordinator) activeOwner() *owner {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active
}
