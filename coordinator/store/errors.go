package store

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrNoStore says that a directory holds no store.
	ErrNoStore = errors.New("no fedrelu store")
	// ErrNotStore says that a file is there, but no store of ours.
	ErrNotStore = errors.New("not a fedrelu store")
	// ErrDamaged says that stored bytes are not what was written.
	ErrDamaged = errors.New("damaged")
	// ErrNewerFormat is matched by NewerFormatError.
	ErrNewerFormat = errors.New("store of a newer version")
	// ErrInUse is matched by InUseError.
	ErrInUse = errors.New("store in use")
	// ErrReadOnly refuses a write to a store that was opened for reading.
	ErrReadOnly = errors.New("store is open for reading only")
	// ErrReopen refuses a write after one whose outcome nobody knows; opening the store anew finds out.
	ErrReopen = errors.New("a write failed half way, the store must be opened anew")
	// ErrNoRun says that there is no such run.
	ErrNoRun = errors.New("no such run")
	// ErrAmbiguous is matched by AmbiguousError.
	ErrAmbiguous = errors.New("not a unique name of a run")
	// ErrExists refuses a run with an id that is taken.
	ErrExists = errors.New("there is a run with this id")
	// ErrFixed refuses to change what a run's chain depends on, or the status of a run that has ended.
	ErrFixed = errors.New("cannot be changed any more")
	// ErrNoRound says that the chain has no such round.
	ErrNoRound = errors.New("no such round")
	// ErrNoModel says that a model is not stored: it never was, or no rule keeps it.
	ErrNoModel = errors.New("model is not stored")
	// ErrOrder refuses an entry that does not follow from those before it.
	ErrOrder = errors.New("out of order")
	// ErrOtherModel refuses a block that does not have the hash it should have.
	ErrOtherModel = errors.New("block is not the recorded model")
	// ErrOtherData refuses data that are not those of the run.
	ErrOtherData = errors.New("other data than the run's")
)

// NewerFormatError says that a later version of this program wrote the store.
type NewerFormatError struct {
	Found, Known uint32
}

// Error names both versions.
func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("%v: its format is %d, this program knows up to %d", ErrNewerFormat, e.Found, e.Known)
}

// Is makes errors.Is(err, ErrNewerFormat) true.
func (e *NewerFormatError) Is(target error) bool { return target == ErrNewerFormat }

// InUseError says which process holds a directory.
type InUseError struct {
	Dir     string
	Address string // where it serves, empty if it has not said so
	PID     int    // as that process sees it (in a container others see another); 0: only readers hold it, or unknown
}

// Error says who holds the directory and what to do.
func (e *InUseError) Error() string {
	switch {
	case e.Address != "":
		return fmt.Sprintf("%s is in use by a coordinator at %s (process %d): ask it with --coordinator %s, or stop it", e.Dir, e.Address, e.PID, e.Address)
	case e.PID != 0:
		return fmt.Sprintf("%s is in use by process %d", e.Dir, e.PID)
	}
	return fmt.Sprintf("%s is in use by another process", e.Dir)
}

// Is makes errors.Is(err, ErrInUse) true.
func (e *InUseError) Is(target error) bool { return target == ErrInUse }

// AmbiguousError says which runs a name could mean.
type AmbiguousError struct {
	Name string
	IDs  []string
}

// Error lists the runs.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%q is %v: it could be %s", e.Name, ErrAmbiguous, strings.Join(e.IDs, ", "))
}

// Is makes errors.Is(err, ErrAmbiguous) true.
func (e *AmbiguousError) Is(target error) bool { return target == ErrAmbiguous }

// spaceError makes every way in which bbolt says that there is no space match syscall.ENOSPC: it does not wrap all of
// the errors that it gets.
func spaceError(err error) error {
	if err == nil || errors.Is(err, syscall.ENOSPC) {
		return err
	}
	if errors.Is(err, berrors.ErrMaxSizeReached) || strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return err
}

func isSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
