package coordinator

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// ErrStatus says that a run's status does not allow what was asked for.
var ErrStatus = errors.New("not possible with a run of this status")

// newID returns an id that sorts by time: nine characters of milliseconds, four of chance.
func newID(now time.Time) string {
	var random [3]byte
	_, _ = rand.Read(random[:]) // never fails
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	stamp := make([]byte, 9)
	ms := uint64(now.UnixMilli())
	for i := range stamp {
		stamp[len(stamp)-1-i] = alphabet[ms>>(5*i)&31]
	}
	tail := base32.NewEncoding(alphabet).WithPadding(base32.NoPadding).EncodeToString(random[:])
	return string(stamp) + tail[:4]
}

func (c *Coordinator) wakeQueue() {
	select {
	case c.queued <- struct{}{}:
	default:
	}
	c.changed.fire()
}

// Runs returns all runs in the order of their submission.
func (c *Coordinator) Runs() ([]record.Run, error) { return c.store.Runs() }

// Find returns the run that a person means: by id, a unique prefix of one, or a unique name.
func (c *Coordinator) Find(name string) (record.Run, error) { return c.store.Find(name) }

// Cancel ends a queued, stopped or running run for good. A running one has ended shortly after.
func (c *Coordinator) Cancel(id string) error {
	if o := c.activeOwner(); o != nil && o.run.ID == id && o.inbox.put(cancelled{}) {
		return nil
	}
	if err := c.change(id, record.Cancelled, errCancelled.Error(), record.Queued, record.Stopped); err != nil {
		return err
	}
	c.tellOver(id)
	return nil
}

// Resume queues a stopped run again.
func (c *Coordinator) Resume(id string) error {
	return c.change(id, record.Queued, "", record.Stopped)
}

// change gives a run another status, if it has one of the given ones.
func (c *Coordinator) change(id string, to record.Status, reason string, from ...record.Status) error {
	err := c.store.Update(id, func(r *record.Run) error {
		var names []string
		for _, s := range from {
			if r.Status == s {
				r.Status, r.Reason = to, reason
				return nil
			}
			names = append(names, s.String())
		}
		return fmt.Errorf("%w: run %s is %v, want %s", ErrStatus, id, r.Status, strings.Join(names, " or "))
	})
	if err != nil {
		return err
	}
	c.wakeQueue()
	return nil
}

// Remove deletes a run that is not queued or running, with everything that is stored of it.
func (c *Coordinator) Remove(id string) error {
	r, err := c.store.Run(id)
	if err != nil {
		return err
	}
	if r.Status == record.Running || r.Status == record.Queued {
		return fmt.Errorf("%w: run %s is %v, cancel it first", ErrStatus, id, r.Status)
	}
	defer c.changed.fire()
	return c.store.Remove(id)
}

// Update is what Follow tells: exactly one field is set.
type Update struct {
	Run      *record.Run // first, and whenever its status has changed
	Entry    *record.Entry
	Progress *Progress
}

// Follow calls each with a run, its entries from number from on, and if follow is set with what happens until the run has
// ended or stopped, or ctx ends. It returns the first error of each, and ErrClosed if the coordinator ends before the run
// has stopped.
func (c *Coordinator) Follow(ctx context.Context, id string, from uint64, follow bool, each func(Update) error) error {
	if !c.read() {
		return ErrClosed
	}
	defer c.readers.Done()
	f := follower{c: c, id: id, from: from, each: each}
	for last := false; ; {
		changed := c.changed.watch()
		ended, err := f.catchUp()
		switch {
		case err != nil || ended || !follow:
			return err
		case last:
			return ErrClosed
		}
		select {
		case <-changed:
		case <-c.stopped:
			last = true // once more: the end of the run may not have been told yet
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// read keeps the store open until readers.Done, unless the coordinator has ended.
func (c *Coordinator) read() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.readers.Add(1)
	return true
}

type follower struct {
	c        *Coordinator
	id       string
	from     uint64
	each     func(Update) error
	status   record.Status
	progress *Progress
}

// catchUp tells what is new, and whether the run has ended. The status is read before the entries, so that an ended run's
// entries are all told, and told after them, so that the end is the last that is heard.
func (f *follower) catchUp() (bool, error) {
	run, err := f.c.store.Run(f.id)
	if err != nil {
		return false, err
	}
	ended := run.Status.Final() || run.Status == record.Stopped
	first := f.status == 0
	if first {
		if err := f.tell(run); err != nil {
			return false, err
		}
	}
	for e, err := range f.c.store.Entries(f.id, f.from) {
		if err != nil {
			return false, err
		}
		f.from = e.Seq + 1
		if err := f.each(Update{Entry: &e}); err != nil {
			return false, err
		}
	}
	if run.Status != f.status || ended && !first {
		if err := f.tell(run); err != nil {
			return false, err
		}
	}
	return ended, f.tellProgress()
}

func (f *follower) tell(run record.Run) error {
	f.status = run.Status
	return f.each(Update{Run: &run})
}

func (f *follower) tellProgress() error {
	o := f.c.activeOwner()
	if o == nil || o.run.ID != f.id {
		return nil
	}
	p := o.progress.current.Load()
	if p == nil || p == f.progress {
		return nil
	}
	f.progress = p
	return f.each(Update{Progress: p})
}

// OpenModel returns a stored model of a run: that of the round, or the last one if round is nil. Close must be called.
func (c *Coordinator) OpenModel(id string, round *int) (int, tensor.Hash, *store.Model, error) {
	number, hash, err := c.pick(id, round)
	if err != nil {
		return 0, hash, nil, err
	}
	m, err := c.store.OpenModel(id, hash)
	return number, hash, m, err
}

func (c *Coordinator) pick(id string, round *int) (int, tensor.Hash, error) {
	kept, err := c.store.Models(id)
	if err != nil {
		return 0, tensor.Hash{}, err
	}
	var stored []string
	for i := len(kept) - 1; i >= 0; i-- {
		if round == nil || kept[i].Round == *round {
			return kept[i].Round, kept[i].Hash, nil
		}
		stored = append(stored, fmt.Sprint(kept[i].Round))
	}
	if r, err := c.store.Run(id); err == nil && round != nil && *round == 0 && r.StartGiven {
		return 0, r.StartModel, nil // it always is
	}
	if round == nil {
		return 0, tensor.Hash{}, fmt.Errorf("%w: run %s has no model yet", store.ErrNoModel, id)
	}
	return 0, tensor.Hash{}, fmt.Errorf("%w: that of round %d of run %s is not kept; kept are those of rounds %s",
		store.ErrNoModel, *round, id, strings.Join(stored, ", "))
}
