package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/wire"
)

const (
	joinTimeout = 10 * time.Second       // from dialing to Welcome
	pushGrace   = 400 * time.Millisecond // for a push under way when the worker is told to stop
	leaveGrace  = 300 * time.Millisecond // after that, for the last messages and the coordinator's goodbye
	outboxSize  = 16
)

// link is a live session as the agent sees it.
type link struct {
	service
	ctx     context.Context // ends with the session
	session uint64
	outbox  chan wire.FromWorker
	mute    chan struct{} // closed when nothing is taken from outbox any more
}

func (l *link) over() bool { return l.ctx.Err() != nil }

// errDismissed ends a session that the worker itself leaves.
var errDismissed = errors.New("the worker stops")

// sessions holds one session after the other until ctx ends or the coordinator refuses the worker for good.
func (w *Worker) sessions(ctx context.Context, a *agent) error {
	joined := false
	for failures := 0; ctx.Err() == nil; failures++ {
		welcomed, err := w.session(ctx, a)
		if ctx.Err() != nil {
			return nil
		}
		if welcomed {
			joined, failures = true, 0
		} else if final := refusal(err, joined); final != nil {
			return final
		}
		w.cfg.Logger.Warn("no session with the coordinator, joining again", "why", err)
		w.cfg.Backoff.wait(ctx, failures)
	}
	return nil
}

// session joins and serves until the stream ends. It tells whether the coordinator admitted the worker, and why it ended.
func (w *Worker) session(ctx context.Context, a *agent) (welcomed bool, err error) {
	conn, err := w.cfg.Dial(ctx)
	if err != nil {
		return false, fmt.Errorf("dialing the coordinator: %w", err)
	}
	defer func() { _ = conn.Close() }() // nothing is left to lose
	// What is under way when ctx ends gets a moment to end well.
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	l := &link{service: newService(conn), ctx: live, outbox: make(chan wire.FromWorker, outboxSize), mute: make(chan struct{})}
	s, welcome, err := w.join(ctx, l, end)
	if err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { time.AfterFunc(pushGrace+leaveGrace, end) })()
	w.cfg.Logger.Info("joined the coordinator", "session", welcome.Session, "build", welcome.Build)
	return true, l.serve(a, s, welcome, end)
}

// join opens the stream, introduces the worker and waits for the coordinator's Welcome.
func (w *Worker) join(ctx context.Context, l *link, end context.CancelFunc) (stream, wire.Welcome, error) {
	defer context.AfterFunc(ctx, end)()
	late := time.AfterFunc(joinTimeout, end)
	defer late.Stop()
	s, err := l.service.session(l.ctx)
	if err != nil {
		return s, wire.Welcome{}, err
	}
	// An io.EOF from sending leaves it to receiving to say why.
	if err := s.send(w.hello()); err != nil && !errors.Is(err, io.EOF) {
		return s, wire.Welcome{}, err
	}
	m, err := s.receive()
	if err != nil {
		if !late.Stop() {
			err = fmt.Errorf("no answer within %v: %w", joinTimeout, err)
		}
		return s, wire.Welcome{}, err
	}
	welcome, ok := m.(wire.Welcome)
	if !ok {
		return s, welcome, fmt.Errorf("%w: %T before Welcome", wire.ErrMessage, m)
	}
	l.session = welcome.Session
	return s, welcome, nil
}

func (w *Worker) hello() wire.Hello {
	return wire.Hello{
		Protocol: wire.Protocol, Numerics: localsgd.Numerics, Build: w.cfg.Build, Name: w.cfg.Name,
		Instance: w.id.instance, Token: w.cfg.Token, Shards: w.cfg.Shards, Slots: w.cfg.Slots,
		Kept: w.kept.list(),
	}
}

// serve carries messages both ways until the stream ends, and returns why it did.
func (l *link) serve(a *agent, s stream, welcome wire.Welcome, end context.CancelFunc) error {
	if !a.inform(up{l}) {
		end()
		return errDismissed
	}
	var writer sync.WaitGroup
	writer.Go(func() { l.write(s, welcome, a.done, end) })
	err := l.read(a, s)
	end()
	writer.Wait()
	a.inform(down{l})
	return err
}

// read passes what the coordinator says to the agent.
func (l *link) read(a *agent, s stream) error {
	for {
		m, err := s.receive()
		if err != nil {
			return err
		}
		if !a.inform(said{l, m}) {
			continue // the worker stops; wait for the coordinator to see it
		}
	}
}

// write owns the stream's sending side: messages, heartbeats, and at the end, when done is closed, the last messages and
// the goodbye. An error shows in read. A coordinator that takes nothing for so long that it must have missed the worker's
// heartbeats is given up with end.
func (l *link) write(s stream, w wire.Welcome, done <-chan struct{}, end func()) {
	defer close(l.mute)
	beat := time.NewTicker(w.Heartbeat)
	defer beat.Stop()
	stuck := time.AfterFunc(w.Lost, end)
	defer stuck.Stop()
	for {
		var m wire.FromWorker
		stuck.Stop()
		select {
		case m = <-l.outbox:
		case <-beat.C:
			m = wire.Heartbeat{}
		case <-done:
			l.leave(s)
			return
		case <-l.ctx.Done():
			return
		}
		stuck.Reset(w.Lost)
		if s.send(m) != nil {
			return
		}
	}
}

func (l *link) leave(s stream) {
	for len(l.outbox) > 0 {
		if s.send(<-l.outbox) != nil {
			return
		}
	}
	_ = s.CloseSend() // it never fails
}

// up, said and down are a session's events, in this order.
type (
	up   struct{ link *link }
	said struct {
		link    *link
		message wire.ToWorker
	}
	down struct{ link *link }
)

func (e up) apply(a *agent) { a.link = e.link }

func (e down) apply(a *agent) {
	a.link, a.queue = nil, nil
	if a.run != nil {
		a.run.detach()
	}
}

func (e said) apply(a *agent) {
	switch m := e.message.(type) {
	case wire.StartRun:
		a.startRun(m)
	case wire.Assign:
		a.assign(m)
	case wire.Flush:
		a.flush(m)
	case wire.Abandon:
		a.abandon(m)
	case wire.Measure:
		a.measure(m)
	case wire.Study:
		a.study(m)
	case wire.Score:
		a.score(m)
	case wire.CloseRun:
		if a.run != nil && a.run.announced.Run == m.Run {
			a.closeRun()
		}
		if m.Over {
			a.left = append(a.left, m.Run)
		}
	default:
		a.log.Warn("the coordinator sent a message out of place", "message", fmt.Sprintf("%T", m))
	}
}
