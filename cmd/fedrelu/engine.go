package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"

	"google.golang.org/grpc"

	"github.com/fedrelu/fedrelu/coordinator"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/rpc"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// engine is a coordinator that serves in this process.
type engine struct {
	c       *coordinator.Coordinator
	address string // where it serves
	server  *grpc.Server
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the coordinator has ended; err is set before
	err     error
}

// startEngine opens the store of cfg and serves at listen (host:port, port 0 for any).
func startEngine(cfg coordinator.Config, listen string) (*engine, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("serving at %s: %w", listen, err)
	}
	cfg.Address = reachable(listener.Addr())
	c, err := coordinator.Open(cfg)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	tuneCollector()
	ctx, cancel := context.WithCancel(context.Background())
	e := &engine{c: c, address: cfg.Address, server: rpc.NewServer(c), cancel: cancel, ended: make(chan struct{})}
	serving := make(chan error, 1)
	go func() { serving <- e.server.Serve(listener) }()
	go func() {
		defer close(e.ended)
		err := c.Run(ctx)
		e.server.Stop()
		e.err = errors.Join(err, <-serving)
	}()
	return e, nil
}

// tuneCollector trades collections for memory in the process that coordinates: its heap is a few blocks of the model's
// size, which are used again and again, and little garbage beside them. With the default the heap might become twice its
// live size before the next collection; with this it grows by a quarter, at no cost that could be measured.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
}

// reachable is an address under which this machine reaches a listener.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// stop ends the coordinator cleanly: the active run stops between two steps with all that is committed.
func (e *engine) stop() error {
	e.cancel()
	<-e.ended
	return e.err
}

func (e *engine) submit(s *spec.Spec) (string, error) { return e.c.Submit(s) }

func (e *engine) resume(id string) error { return e.c.Resume(id) }

// follow passes what happens to a run to each until the run or the coordinator has ended.
func (e *engine) follow(id string, from uint64, each func(control.Event) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	followed := make(chan error, 1)
	go func() {
		followed <- e.c.Follow(ctx, id, from, true, func(u coordinator.Update) error { return each(event(u)) })
	}()
	select {
	case err := <-followed:
		return err
	case <-e.ended:
		cancel()
		if err := <-followed; e.err == nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return e.err
	}
}

// event turns what the coordinator tells in this process into what it would tell over a network.
func event(u coordinator.Update) control.Event {
	e := control.Event{Run: u.Run, Entry: u.Entry}
	if p := u.Progress; p != nil {
		e.Progress = &control.Progress{
			Round: p.Round, Invited: p.Invited, Answered: p.Answered, Workers: p.Workers, Phase: p.Phase,
			WaitingFor: p.WaitingFor, Until: p.Until,
		}
	}
	return e
}
