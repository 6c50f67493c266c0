package worker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/wire"
	"github.com/fedrelu/fedrelu/worker"
)

func TestRefusalsForGood(t *testing.T) {
	for _, test := range []struct {
		name string
		code codes.Code
		want error
	}{
		{"another version", codes.FailedPrecondition, worker.ErrVersion},
		{"another token", codes.Unauthenticated, worker.ErrToken},
		{"name in use", codes.AlreadyExists, worker.ErrNameInUse},
		{"malformed hello", codes.InvalidArgument, worker.ErrRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c := newSetup(t, defaultSpec), newCoordinator(t)
			w := run(t, s.config(c))
			c.join().end(status.Error(test.code, "the reason in words"))
			err := w.wait()
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "the reason in words") {
				t.Errorf("Run returned %v, want %v with the reason", err, test.want)
			}
		})
	}
}

func TestJoinsAgainForEver(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	cfg := s.config(c)
	cfg.Name, cfg.Slots, cfg.Token, cfg.Build = "north", 3, []byte("secret"), "build 7"
	cfg.Shards = []wire.Range{{First: 2, Last: 5}}
	failures := 3
	cfg.Dial = func(ctx context.Context) (*grpc.ClientConn, error) {
		if failures--; failures >= 0 {
			return nil, errors.New("no route")
		}
		return c.dial(ctx)
	}
	run(t, cfg)
	first := c.join()
	h := first.hello
	if h.Protocol != wire.Protocol || h.Numerics != localsgd.Numerics || h.Name != "north" || h.Slots != 3 ||
		string(h.Token) != "secret" || h.Build != "build 7" || len(h.Shards) != 1 || h.Shards[0] != cfg.Shards[0] {
		t.Errorf("hello %+v", h)
	}
	first.end(status.Error(codes.Unavailable, "not yet"))
	c.admit(1).end(status.Error(codes.Aborted, "the coordinator goes"))
	// The name is the worker's own by now: its old session has to be missed first.
	for range 3 {
		c.join().end(status.Error(codes.AlreadyExists, "a live worker has this name"))
	}
	c.admit(2).end(nil)
	if again := c.admit(3); again.hello.Instance != h.Instance {
		t.Errorf("the instance changed from %x to %x", h.Instance, again.hello.Instance)
	}
}

func TestStopsBeforeItIsAdmitted(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	w := run(t, s.config(c))
	c.join()
	stopsWithinASecond(t, w)
}

func TestIdentity(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	cfg := s.config(c)
	first, err := worker.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	instance := first.Instance()
	if _, err := worker.Open(cfg); !errors.Is(err, worker.ErrInUse) || !strings.Contains(err.Error(), cfg.Dir) {
		t.Errorf("opening a directory twice: %v, want %v naming it", err, worker.ErrInUse)
	}
	other := cfg
	other.Name = "another"
	second, err := worker.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	if second.Instance() == instance || instance == (wire.Instance{}) {
		t.Errorf("two workers have the identities %x and %x", instance, second.Instance())
	}
	if err := errors.Join(first.Close(), first.Close(), second.Close()); err != nil {
		t.Error(err)
	}
	again, err := worker.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if again.Instance() != instance {
		t.Errorf("a restart changed the identity from %x to %x", instance, again.Instance())
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestDamagedIdentity(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	cfg := s.config(c)
	path := filepath.Join(cfg.Dir, cfg.Name, "identity")
	for _, content := range []string{"short", strings.Repeat("long", 10)} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := worker.Open(cfg); !errors.Is(err, worker.ErrIdentity) || !strings.Contains(err.Error(), path) {
			t.Errorf("with an identity of %d bytes: %v, want %v naming the file", len(content), err, worker.ErrIdentity)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	s, c := newSetup(t, defaultSpec), newCoordinator(t)
	for _, test := range []struct {
		name   string
		change func(*worker.Config)
	}{
		{"no name", func(c *worker.Config) { c.Name = "" }},
		{"a path as name", func(c *worker.Config) { c.Name = "a/b" }},
		{"the parent as name", func(c *worker.Config) { c.Name = ".." }},
		{"the directory as name", func(c *worker.Config) { c.Name = "." }},
		{"a control character in the name", func(c *worker.Config) { c.Name = "a\nb" }},
		{"a long name", func(c *worker.Config) { c.Name = strings.Repeat("x", worker.MaxName+1) }},
		{"no directory", func(c *worker.Config) { c.Dir = "" }},
		{"negative slots", func(c *worker.Config) { c.Slots = -1 }},
		{"no dial", func(c *worker.Config) { c.Dial = nil }},
		{"descending shards", func(c *worker.Config) { c.Shards = []wire.Range{{First: 3, Last: 2}} }},
		{"a negative shard", func(c *worker.Config) { c.Shards = []wire.Range{{First: -1, Last: 2}} }},
		{"a negative time", func(c *worker.Config) { c.Backoff.First = -time.Second }},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := s.config(c)
			test.change(&cfg)
			if _, err := worker.Open(cfg); !errors.Is(err, worker.ErrConfig) {
				t.Errorf("Open: %v, want %v", err, worker.ErrConfig)
			}
		})
	}
}

// stopsWithinASecond tells the worker to stop and checks the promise of Run.
func stopsWithinASecond(t *testing.T, w *running) {
	t.Helper()
	began := time.Now()
	w.stop()
	if err := w.wait(); err != nil {
		t.Errorf("Run returned %v, want nil", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("stopping took %v, want at most a second", took)
	}
}
