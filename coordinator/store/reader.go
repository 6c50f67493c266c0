package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Model reads a stored model chunk by chunk, each in a transaction of its own. As long as it is open the model stays,
// whatever retention says. It may be used by one goroutine at a time.
type Model struct {
	s      *Store
	key    modelKey
	values int
}

// OpenModel opens the model of a run that has this hash. It fails with ErrNoModel if it is not stored. Close must be called.
func (s *Store) OpenModel(run string, hash tensor.Hash) (*Model, error) {
	m := &Model{s: s, key: modelKey{run, hash}}
	s.mu.Lock()
	s.readers[m.key]++
	s.mu.Unlock()
	err := s.view(func(tx *bbolt.Tx) (err error) {
		m.values, err = m.size(tx)
		return err
	})
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("opening model %v of run %s: %w", hash, run, err)
	}
	return m, nil
}

// Close lets retention remove the model again. It may be called twice.
func (m *Model) Close() {
	if m.s == nil {
		return
	}
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.s.unread(m.key)
	m.s = nil
}

// unread takes back one reader; the lock is held.
func (s *Store) unread(key modelKey) {
	if s.readers[key]--; s.readers[key] == 0 {
		delete(s.readers, key)
	}
}

// Values returns the number of float32 values of the model.
func (m *Model) Values() int { return m.values }

// Chunks returns the number of chunks; each but the last has the same size, of about 1 MiB.
func (m *Model) Chunks() int { return (4*m.values + chunkBytes - 1) / chunkBytes }

// ChunkSize returns the number of bytes of chunk i.
func (m *Model) ChunkSize(i int) int { return min(chunkBytes, 4*m.values-i*chunkBytes) }

// Append appends the bytes of chunk i to dst, little-endian float32 values. It fails with ErrDamaged unless size and CRC
// are right. Only the SHA-256 of all chunks together tells that they are this model.
func (m *Model) Append(dst []byte, i int) ([]byte, error) {
	err := m.s.view(func(tx *bbolt.Tx) error {
		data, err := m.chunk(tx, i)
		dst = append(dst, data...)
		return err
	})
	return dst, err
}

// Copy writes the bytes of all chunks to w, one after the other, and looks at ctx between two. The hash is not checked.
func (m *Model) Copy(ctx context.Context, w io.Writer) error {
	var chunk []byte
	var err error
	for i := range m.Chunks() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if chunk, err = m.Append(chunk[:0], i); err != nil {
			return fmt.Errorf("reading model %v: %w", m.key.hash, err)
		}
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) bucket(tx *bbolt.Tx) (*bbolt.Bucket, error) {
	b, err := openRun(tx, m.key.run)
	if err != nil {
		return nil, err
	}
	model := b.models.Bucket(m.key.hash[:])
	if model == nil {
		return nil, ErrNoModel
	}
	return model, nil
}

func (m *Model) size(tx *bbolt.Tx) (int, error) {
	model, err := m.bucket(tx)
	if err != nil {
		return 0, err
	}
	b, err := unsealSized(model.Get(valuesKey), 8)
	if err != nil {
		return 0, fmt.Errorf("reading its size: %w", err)
	}
	values := binary.BigEndian.Uint64(b)
	if values == 0 || values > tensor.MaxSize {
		return 0, fmt.Errorf("%w: it has %d values", ErrDamaged, values)
	}
	return int(values), nil
}

// chunk returns the checked bytes of a chunk, valid as long as the transaction.
func (m *Model) chunk(tx *bbolt.Tx, i int) ([]byte, error) {
	model, err := m.bucket(tx)
	if err != nil {
		return nil, err
	}
	chunk := model.Bucket(key32(i))
	if chunk == nil {
		return nil, fmt.Errorf("%w: chunk %d is missing", ErrDamaged, i)
	}
	crc, data := chunk.Get(crcKey), chunk.Get(dataKey)
	if len(crc) != 4 || len(data) != m.ChunkSize(i) {
		return nil, fmt.Errorf("%w: chunk %d has %d bytes, should have %d", ErrDamaged, i, len(data), m.ChunkSize(i))
	}
	if want, got := binary.BigEndian.Uint32(crc), crc32.Checksum(data, castagnoli); want != got {
		return nil, fmt.Errorf("%w: chunk %d has CRC-32C %08x, should have %08x", ErrDamaged, i, got, want)
	}
	return data, nil
}

// each hands the checked chunks to fn one after the other, and fails with ErrDamaged unless all together have the hash
// that names the model. What fn is given is valid during the call.
func (m *Model) each(fn func(i int, data []byte)) error {
	sum := sha256.New()
	for i := range m.Chunks() {
		err := m.s.view(func(tx *bbolt.Tx) error {
			data, err := m.chunk(tx, i)
			if err == nil {
				sum.Write(data)
				fn(i, data)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if got := tensor.Hash(sum.Sum(nil)); got != m.key.hash {
		return fmt.Errorf("%w: SHA-256 of its chunks is %v", ErrDamaged, got)
	}
	return nil
}

// ReadModel reads the model of a run that has this hash into dst, which must have its size. It fails with ErrNoModel if it
// is not stored, and with ErrDamaged unless every chunk's CRC and the SHA-256 of the whole are right; what dst then holds
// is of no use.
func (s *Store) ReadModel(run string, hash tensor.Hash, dst []float32) error {
	m, err := s.OpenModel(run, hash)
	if err != nil {
		return err
	}
	defer m.Close()
	if m.values != len(dst) {
		return fmt.Errorf("reading model %v of run %s: %w: it has %d values, %d are wanted", hash, run, ErrOtherModel, m.values, len(dst))
	}
	err = m.each(func(i int, data []byte) {
		first := i * (chunkBytes / 4)
		tensor.Decode(dst[first:first+len(data)/4], data)
	})
	if err != nil {
		return fmt.Errorf("reading model %v of run %s: %w", hash, run, err)
	}
	return nil
}

// checkModel reads a whole model for nothing but its checks.
func (s *Store) checkModel(run string, hash tensor.Hash) error {
	m, err := s.OpenModel(run, hash)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.each(func(int, []byte) {})
}
