package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	lockName     = "fedrelu.lock"
	lockPatience = 500 * time.Millisecond // a process that is just ending gets this long
	lockRetry    = 20 * time.Millisecond
	maxHolder    = 1024
)

// errHeld says that another process holds a lock.
var errHeld = errors.New("lock is held")

// holder is the lock on a directory. Its file also tells others who holds it.
type holder struct {
	file      *os.File
	exclusive bool
}

// acquire takes the directory for this process alone, or together with other readers. It waits a little for a process
// that is just ending, and then fails with *InUseError. Readers need no right to write: where there is no lock file,
// nobody but bbolt's own lock guards them, and nil is returned.
func acquire(dir string, exclusive bool) (*holder, error) {
	flags := os.O_RDONLY
	if exclusive {
		flags = os.O_RDWR | os.O_CREATE
	}
	file, err := os.OpenFile(filepath.Join(dir, lockName), flags, 0o644)
	if errors.Is(err, os.ErrNotExist) && !exclusive {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	h := &holder{file: file, exclusive: exclusive}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockRetry) {
		err = flock(file, exclusive)
		if err == nil {
			break
		}
		if !errors.Is(err, errHeld) || time.Now().After(deadline) {
			return nil, errors.Join(h.refusal(dir, err), file.Close())
		}
	}
	if exclusive {
		err = h.announce("")
	}
	if err != nil {
		return nil, errors.Join(err, h.release())
	}
	return h, nil
}

// refusal says who holds the directory. If the lock can be shared only readers hold it, and what the file says is old.
func (h *holder) refusal(dir string, err error) error {
	if !errors.Is(err, errHeld) {
		return fmt.Errorf("locking %s: %w", h.file.Name(), err)
	}
	inUse := &InUseError{Dir: dir}
	if h.exclusive && flock(h.file, false) == nil {
		return inUse
	}
	text, readErr := io.ReadAll(io.NewSectionReader(h.file, 0, maxHolder))
	if readErr != nil {
		return errors.Join(inUse, readErr)
	}
	for line := range strings.Lines(string(text)) {
		if address, ok := strings.CutPrefix(strings.TrimSpace(line), "address "); ok {
			inUse.Address = strings.ToValidUTF8(address, "?")
		}
		if _, err := fmt.Sscanf(line, "pid %d", &inUse.PID); err != nil {
			continue
		}
	}
	return inUse
}

// announce writes who holds the directory.
func (h *holder) announce(address string) error {
	if strings.ContainsAny(address, "\r\n") || len(address) > maxHolder/2 {
		return fmt.Errorf("address %.40q cannot be announced", address)
	}
	text := fmt.Sprintf("pid %d\n", os.Getpid())
	if address != "" {
		text += "address " + address + "\n"
	}
	if err := h.file.Truncate(0); err != nil {
		return err
	}
	_, err := h.file.WriteAt([]byte(text), 0)
	return spaceError(err)
}

// release gives the directory free. The file stays: removing it would let two processes hold two files of one name.
func (h *holder) release() error {
	if h == nil {
		return nil
	}
	var err error
	if h.exclusive {
		err = h.file.Truncate(0)
	}
	return errors.Join(err, h.file.Close())
}
