// Package offline looks at the runs of a directory that no coordinator serves, as package control does over a network: both
// have the same methods with the same meaning.
//
// Rules. Reading takes the store read-only, so that any number of commands may look at once. Only Cancel and Remove write;
// they open the store for themselves and close it again. A directory that a coordinator holds is refused by the store, with
// its address. What the store says of a run that was running when its process was killed is corrected on the way out: the
// run is stopped, since nobody holds the directory.
package offline

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
)

// ErrStatus says that a run's status does not allow what was asked for.
var ErrStatus = errors.New("not possible with a run of this status")

// ErrResume says how a run of a directory goes on.
var ErrResume = errors.New("nobody serves the directory: continue the run with `fedrelu run --resume RUN --dir DIR`, or start a coordinator there")

// Directory is a store that is open for reading.
type Directory struct {
	dir   string
	store *store.Store
}

// Open opens the store in dir for reading. It never creates one.
func Open(dir string) (*Directory, error) {
	s, err := store.OpenReadOnly(dir)
	if err != nil {
		return nil, err
	}
	return &Directory{dir: dir, store: s}, nil
}

// Close gives the directory free.
func (d *Directory) Close() error { return d.store.Close() }

// Runs returns all runs in the order of their submission. Those whose record is damaged are left out, and the error says so.
func (d *Directory) Runs(context.Context) ([]record.Run, error) {
	runs, err := d.store.Runs()
	for i := range runs {
		runs[i] = settled(runs[i])
	}
	return runs, err
}

// settled returns the run as it is when no process works on it.
func settled(r record.Run) record.Run {
	if r.Status == record.Running {
		r.Status, r.Reason = record.Stopped, "its coordinator ended without a word"
	}
	return r
}

// Follow passes a run and then its entries from number `from` on to each. What a directory holds does not change, so that
// follow makes no difference. Damaged entries are passed over; verify reports them.
func (d *Directory) Follow(ctx context.Context, run string, from uint64, _ bool, each func(control.Event) error) error {
	r, err := d.store.Find(run)
	if err != nil {
		return err
	}
	r = settled(r)
	if err := each(control.Event{Run: &r}); err != nil {
		return err
	}
	for e, err := range d.store.Entries(r.ID, from) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, store.ErrDamaged) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the chain of run %s: %w", r.ID, err)
		}
		if err := each(control.Event{Entry: &e}); err != nil {
			return err
		}
	}
	return nil
}

// Resume fails with ErrResume: somebody has to compute.
func (d *Directory) Resume(context.Context, string) (string, error) { return "", ErrResume }

// Cancel ends a run for good. The directory is closed for reading meanwhile.
func (d *Directory) Cancel(_ context.Context, run string) error {
	return d.write(run, func(s *store.Store, r record.Run) error {
		if r.Status.Final() {
			return fmt.Errorf("run %s is %v: %w", r.ID, r.Status, ErrStatus)
		}
		return s.SetStatus(r.ID, record.Cancelled, "cancelled")
	})
}

// Remove deletes a run with its chain and models. The directory is closed for reading meanwhile.
func (d *Directory) Remove(_ context.Context, run string) error {
	return d.write(run, func(s *store.Store, r record.Run) error {
		if r.Status == record.Queued {
			return fmt.Errorf("run %s is queued, cancel it first: %w", r.ID, ErrStatus)
		}
		return s.Remove(r.ID)
	})
}

// write finds a run and does something to it in a store that is open for writing.
func (d *Directory) write(run string, do func(*store.Store, record.Run) error) (err error) {
	if err := d.store.Close(); err != nil {
		return err
	}
	s, err := store.Open(d.dir, store.Options{})
	if err != nil {
		return err
	}
	r, err := s.Find(run)
	if err == nil {
		err = do(s, settled(r))
	}
	err = errors.Join(err, s.Close())
	again, openErr := store.OpenReadOnly(d.dir)
	if openErr == nil {
		d.store = again
	}
	return errors.Join(err, openErr)
}
