package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"

	"github.com/fedrelu/fedrelu/proto/wire"
)

// MaxName is the largest number of bytes in a worker's name.
const MaxName = 128

// ErrConfig is wrapped by every error about a Config.
var ErrConfig = errors.New("invalid worker configuration")

// Config says who a worker is and what it may use.
type Config struct {
	// Name is the worker's name in the cluster: one element of a path, at most MaxName bytes.
	Name string
	// Dir is where workers keep their state; this one's is in Dir/Name.
	Dir string
	// Data is the folder from which relative paths of a spec's data are taken.
	Data string
	// Shards that this worker serves; none: all.
	Shards []wire.Range
	// Slots is how many tasks are computed at once; 0: as many as Go uses processors.
	Slots int
	// Token is shown to the coordinator; empty if it wants none.
	Token []byte
	// Build is this program's version, for the coordinator's record.
	Build string
	// Dial opens a connection for one session, which closes it; see DialAddress.
	Dial func(ctx context.Context) (*grpc.ClientConn, error)
	// Logger hears what happens; nil: nobody does.
	Logger *slog.Logger
	// Backoff is the pause between two attempts to join.
	Backoff Backoff
	// PushAfter is how much training time a sum may collect before it is pushed without being asked for: what is lost
	// with a worker that dies. 0: DefaultPushAfter.
	PushAfter time.Duration
}

// DefaultPushAfter is what Config.PushAfter is by default.
const DefaultPushAfter = 2 * time.Second

// complete checks the configuration and fills in defaults.
func (c Config) complete() (Config, error) {
	switch {
	case !validName(c.Name):
		return c, fmt.Errorf("%w: name %.40q, want 1 to %d bytes of text that can name a folder", ErrConfig, c.Name, MaxName)
	case c.Dir == "":
		return c, fmt.Errorf("%w: no directory for the worker's state", ErrConfig)
	case c.Slots < 0:
		return c, fmt.Errorf("%w: %d slots, want at least 1, or 0 for one for each processor", ErrConfig, c.Slots)
	case c.Dial == nil:
		return c, fmt.Errorf("%w: no way to reach a coordinator", ErrConfig)
	case c.Backoff.First < 0 || c.Backoff.Max < 0 || c.PushAfter < 0:
		return c, fmt.Errorf("%w: a negative time", ErrConfig)
	}
	for _, r := range c.Shards {
		if r.First < 0 || r.Last < r.First || r.Last >= wire.MaxShards {
			return c, fmt.Errorf("%w: shards %d-%d, want ascending numbers below %d", ErrConfig, r.First, r.Last, wire.MaxShards)
		}
	}
	if c.Slots == 0 {
		c.Slots = runtime.GOMAXPROCS(0)
	}
	if c.PushAfter == 0 {
		c.PushAfter = DefaultPushAfter
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Backoff = c.Backoff.complete()
	return c, nil
}

func validName(name string) bool {
	return name != "" && len(name) <= MaxName && utf8.ValidString(name) && name != "." && filepath.IsLocal(name) &&
		!strings.ContainsAny(name, `/\`) && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// serves tells whether the worker has said that it serves the shard.
func (c *Config) serves(shard int) bool {
	for _, r := range c.Shards {
		if r.First <= shard && shard <= r.Last {
			return true
		}
	}
	return len(c.Shards) == 0
}

// Backoff is a pause that doubles from First up to Max; both have defaults where they are 0: 100 ms and 5 s. Half of each
// pause is random, so that the workers of a restarted coordinator do not come back all at once; no result depends on it.
type Backoff struct{ First, Max time.Duration }

func (b Backoff) complete() Backoff {
	if b.First == 0 {
		b.First = 100 * time.Millisecond
	}
	if b.Max == 0 {
		b.Max = 5 * time.Second
	}
	return b
}

// pause returns the pause after so many failures in a row, from 0.
func (b Backoff) pause(failures int) time.Duration {
	d := b.First
	for ; failures > 0 && d < b.Max; failures-- {
		d *= 2
	}
	d = min(d, b.Max)
	return d/2 + rand.N(d/2+1)
}

// wait makes the pause, or returns early when ctx ends.
func (b Backoff) wait(ctx context.Context, failures int) {
	timer := time.NewTimer(b.pause(failures))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
