package worker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fedrelu/fedrelu/proto/wire"
)

// identityName is the file with the worker's 16 random bytes. Whoever holds its lock is the worker.
const identityName = "identity"

// Errors of Open about the worker's directory.
var (
	// ErrInUse: another process is this worker.
	ErrInUse = errors.New("the worker's directory is in use by another process")
	// ErrIdentity: the identity file does not hold what it should.
	ErrIdentity = errors.New("damaged identity file")
)

// identity is a locked identity file. The lock ends with the process, however that ends.
type identity struct {
	file     *os.File
	instance wire.Instance
}

// openIdentity takes the directory dir for this process, and makes an identity where there is none yet.
func openIdentity(dir string) (*identity, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the worker's directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, identityName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the worker's identity: %w", err)
	}
	id := &identity{file: file}
	if err := id.take(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", file.Name(), err), file.Close())
	}
	return id, nil
}

func (id *identity) take() error {
	if err := flock(id.file); err != nil {
		return err
	}
	// One byte more than there should be, so that a longer file is noticed.
	content, err := io.ReadAll(io.LimitReader(id.file, int64(len(id.instance))+1))
	switch {
	case err != nil:
		return err
	case len(content) == 0:
		return id.create()
	case len(content) != len(id.instance):
		return fmt.Errorf("%w: %d bytes, want %d; remove it to make this a new worker", ErrIdentity, len(content), len(id.instance))
	}
	copy(id.instance[:], content)
	return nil
}

func (id *identity) create() error {
	if _, err := rand.Read(id.instance[:]); err != nil {
		return err
	}
	if _, err := id.file.WriteAt(id.instance[:], 0); err != nil {
		return err
	}
	return id.file.Sync()
}

func (id *identity) close() error { return id.file.Close() }
