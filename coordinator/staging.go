package coordinator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/semaphore"
)

const (
	// stagingMemory bounds the pushes that wait in memory, all together.
	stagingMemory = 32 << 20
	// stagingInMemory is the largest push that waits in memory; larger ones wait in a file.
	stagingInMemory = 4 << 20
)

// staging keeps payloads until they are whole and checked. Small ones share a bounded piece of memory, for which they
// wait in flow control; large ones go to unlinked temporary files, which cost page cache and no anonymous memory.
type staging struct {
	dir    string
	memory *semaphore.Weighted
}

func newStaging(dir string) *staging {
	return &staging{dir: dir, memory: semaphore.NewWeighted(stagingMemory)}
}

// staged is a payload in staging.
type staged interface {
	io.Writer
	// reader returns the whole payload from its start.
	reader() io.Reader
	// release gives the place back.
	release()
}

// open makes room for a payload of size bytes, waiting while there is none.
func (s *staging) open(ctx context.Context, size int64) (staged, error) {
	if size > stagingInMemory {
		return s.openFile(size)
	}
	if err := s.memory.Acquire(ctx, size); err != nil {
		return nil, fmt.Errorf("waiting for room for a push of %d bytes: %w", size, err)
	}
	m := &stagedMemory{size: size, memory: s.memory}
	m.Grow(int(size))
	return m, nil
}

type stagedMemory struct {
	bytes.Buffer
	size   int64
	memory *semaphore.Weighted
}

func (m *stagedMemory) reader() io.Reader { return bytes.NewReader(m.Bytes()) }
func (m *stagedMemory) release()          { m.memory.Release(m.size) }

func (s *staging) openFile(size int64) (staged, error) {
	f, err := unlinkedFile(s.dir, "push-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("making room for a push of %d bytes: %w", size, err)
	}
	return &stagedFile{File: f, size: size}, nil
}

// unlinkedFile makes a file of which nothing is left behind, however the process ends.
func unlinkedFile(dir, pattern string) (*os.File, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

type stagedFile struct {
	*os.File
	size int64
}

func (f *stagedFile) reader() io.Reader { return io.NewSectionReader(f.File, 0, f.size) }
func (f *stagedFile) release()          { _ = f.Close() } // unlinked: nothing can be lost
