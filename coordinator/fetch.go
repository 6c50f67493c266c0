package coordinator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// fetchPart is how much of a model is handed over at a time; a multiple of wire.ChunkBytes passes without a copy.
const fetchPart = wire.ChunkBytes

// Fetch hands a model to a worker: open is told its size in bytes and returns where its bytes go. Models of the round at
// hand come from memory, where all fetches share them; others from the store.
func (c *Coordinator) Fetch(ctx context.Context, f wire.Fetch, open func(size int64) io.Writer) error {
	s := c.live(f.Session)
	if s == nil {
		return fmt.Errorf("session %d: %w", f.Session, ErrLost)
	}
	ctx, stop := s.bound(ctx)
	defer stop()
	began := time.Now()
	err := c.fetchFromMemory(ctx, f, open)
	if errors.Is(err, errNotPublished) {
		err = c.fetchFromStore(ctx, f, open)
	}
	if err != nil {
		return fmt.Errorf("sending model %s of run %s to worker %s: %w", f.Model, f.Run, s.Hello.Name, err)
	}
	if o := c.activeOwner(); o != nil {
		o.inbox.put(fetched{s, time.Since(began).Seconds()})
	}
	return nil
}

var errNotPublished = errors.New("model is not in memory")

func (c *Coordinator) fetchFromMemory(ctx context.Context, f wire.Fetch, open func(int64) io.Writer) error {
	m := c.models.hold(f.Model)
	if m == nil {
		return errNotPublished
	}
	defer m.release()
	w := open(4 * int64(len(m.travels)))
	for part := range tensor.Chunks(m.travels, fetchPart) {
		if _, err := w.Write(part); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

func (c *Coordinator) fetchFromStore(ctx context.Context, f wire.Fetch, open func(int64) io.Writer) error {
	m, err := c.store.OpenModel(f.Run, f.Model)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Copy(ctx, open(4*int64(m.Values())))
}
