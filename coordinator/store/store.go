package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Format is the version of what the file holds. A store of an older version is brought up to date or refused in words.
const Format = 1

const (
	fileName   = "fedrelu.db"
	newName    = "fedrelu.db.new" // a file that is being made; never used before it is complete and renamed
	lockWindow = 300 * time.Millisecond
	// mapBytes is how much of the address space bbolt reserves: as long as the file is smaller it is never mapped anew,
	// which would wait for readers and copy what a transaction is about to write.
	mapBytes = 1 << 30
	// growBytes is how much the file grows beyond what is needed.
	growBytes = 4 << 20
)

// Options adjusts a Store; the zero value is right for use.
type Options struct {
	// MaxBytes limits the size of the file; a write that would exceed it fails as one without disk space does
	// (syscall.ENOSPC). 0: no limit.
	MaxBytes int
}

// Store is an open store. Its methods may be called by any number of goroutines.
type Store struct {
	closing  sync.Once
	closed   error // of Close
	dir      string
	db       *bbolt.DB
	lock     *holder
	readOnly bool
	problems []Problem // what Open found and put right

	mu      sync.Mutex
	unsure  error                     // a write whose outcome nobody knows
	staged  map[modelKey]bool         // models written ahead of the entry that will refer to them
	readers map[modelKey]int          // open readers of models
	garbage int                       // bytes, see collect
	commits map[string]*record.Commit // of the last round of each run, while no entry says it
}

// modelKey names a model of a run.
type modelKey struct {
	run  string
	hash tensor.Hash
}

// Problem is something that is wrong with a store.
type Problem struct {
	Run   string // id; empty: the file itself
	Where string // what it is about, as "entry 12" or "model of round 3"
	Err   error
}

// Error says what is wrong where.
func (p Problem) Error() string {
	if p.Run == "" {
		return fmt.Sprintf("%s: %v", p.Where, p.Err)
	}
	return fmt.Sprintf("run %s, %s: %v", p.Run, p.Where, p.Err)
}

// Unwrap returns Err.
func (p Problem) Unwrap() error { return p.Err }

// Open opens the store in dir, which is created if it is not there, for this process alone. It fails with *InUseError
// within a second if another process holds it, and with *NewerFormatError if a later version wrote it. Damage in the
// file's structure is cut out, see Problems. Close must be called.
func Open(dir string, opts Options) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	return open(dir, opts, false)
}

// OpenReadOnly opens the store in dir for reading, beside any number of other readers. It fails with ErrNoStore if there is
// none, within a second with *InUseError if a process holds it for writing, and with ErrDamaged if its structure is
// damaged (Verify says where, Open puts it right).
func OpenReadOnly(dir string) (*Store, error) {
	if _, err := os.Stat(filepath.Join(dir, fileName)); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrNoStore, dir)
	}
	return open(dir, Options{}, true)
}

func open(dir string, opts Options, readOnly bool) (*Store, error) {
	lock, err := acquire(dir, !readOnly)
	if err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	s := &Store{
		dir: dir, lock: lock, readOnly: readOnly, staged: make(map[modelKey]bool), readers: make(map[modelKey]int),
		commits: make(map[string]*record.Commit),
	}
	if err := s.start(opts); err != nil {
		return nil, fmt.Errorf("opening store %s: %w", dir, errors.Join(err, s.Close()))
	}
	return s, nil
}

func (s *Store) start(opts Options) error {
	path := filepath.Join(s.dir, fileName)
	if !s.readOnly {
		if err := create(path); err != nil {
			return spaceError(fmt.Errorf("creating %s: %w", fileName, err))
		}
	}
	problems, err := checkFile(path)
	if err != nil {
		return err
	}
	if len(problems) > 0 && s.readOnly {
		return fmt.Errorf("%w (%d places)", problems[0], len(problems))
	} else if len(problems) > 0 {
		if s.problems, err = rebuild(path, problems); err != nil {
			return spaceError(fmt.Errorf("rebuilding the damaged %s: %w", fileName, err))
		}
	}
	if s.db, err = openFile(path, opts, s.readOnly); err != nil {
		return err
	}
	if err := s.db.View(checkFormat); err != nil {
		return err
	}
	if s.readOnly {
		return nil
	}
	if len(problems) > 0 {
		if err := s.update(complete); err != nil {
			return err
		}
	}
	return errors.Join(s.sweepIncoming(), s.sweep())
}

// openFile opens a file whose pages were found sound.
func openFile(path string, opts Options, readOnly bool) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o644, &bbolt.Options{
		Timeout: lockWindow, FreelistType: bbolt.FreelistMapType, ReadOnly: readOnly, MaxSize: opts.MaxBytes, NoStatistics: true,
		InitialMmapSize: mapBytes,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, &InUseError{Dir: filepath.Dir(path)}
	} else if err != nil {
		return nil, spaceError(err)
	}
	db.AllocSize = growBytes
	return db, nil
}

// create makes an empty store if there is no file yet. A file that is there under its name is complete, whenever the
// process or the machine stops.
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return replace(path, func(db *bbolt.DB) error { return db.Update(initialize) })
}

// replace makes a new file, fills it, and puts it under path once it is complete.
func replace(path string, fill func(*bbolt.DB) error) (err error) {
	fresh := filepath.Join(filepath.Dir(path), newName)
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignore(os.Remove(fresh), os.ErrNotExist))
		}
	}()
	db, err := openFile(fresh, Options{}, false)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(db), db.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// Problems returns what Open found damaged and put right: to be said loudly.
func (s *Store) Problems() []Problem { return s.problems }

// SetAddress tells others who find the directory in use where this process serves.
func (s *Store) SetAddress(address string) error {
	if s.readOnly || s.lock == nil {
		return ErrReadOnly
	}
	return s.lock.announce(address)
}

// Close gives the directory free, after the transactions that go on. Every method fails afterwards; calling Close again
// gives the same error again.
func (s *Store) Close() error {
	s.closing.Do(func() {
		var err error
		if s.db != nil { // nil: it could not be opened
			err = s.db.Close()
		}
		s.closed = errors.Join(err, s.lock.release())
	})
	return s.closed
}

func (s *Store) view(fn func(tx *bbolt.Tx) error) error { return s.db.View(fn) }

// update runs fn in a transaction and commits it. If that fails for want of space nothing is changed and the store can be
// used on. If it fails so that nobody knows what is on disk, every later update is refused.
func (s *Store) update(fn func(tx *bbolt.Tx) error) error {
	if s.readOnly {
		return ErrReadOnly
	}
	if err := s.doubt(); err != nil {
		return err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return spaceError(err)
	}
	id := tx.ID()
	if err := fn(tx); err != nil {
		return spaceError(errors.Join(err, tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return s.failed(id, spaceError(err))
	}
	return nil
}

func (s *Store) doubt() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsure
}

// failed finds out whether the transaction that failed to commit is there all the same: its meta page was written, but
// maybe not to the disk. After an error of the disk itself nothing is sure either.
func (s *Store) failed(id int, cause error) error {
	applied := true
	err := s.view(func(tx *bbolt.Tx) error {
		applied = tx.ID() >= id
		return nil
	})
	if err == nil && !applied && isSpace(cause) {
		return cause
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsure = fmt.Errorf("%w: %w", ErrReopen, cause)
	return s.unsure
}
