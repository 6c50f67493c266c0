package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Incoming is the start model of a run that is being submitted: an io.Writer of its bytes, which are on disk as they come,
// where nothing refers to them before CreateRunFrom does. What is left of one when the process ends is removed at the next
// Open. It may be used by one goroutine at a time.
type Incoming struct {
	s      *Store
	run    string
	name   tensor.Hash
	size   int64
	buf    []byte // of the next group
	chunks int    // written
	taken  int64
	hash   hash.Hash
}

// Receive begins to take the model of so many values, whose SHA-256 is to be name, of a run that is not there yet. Discard
// must be called, and does nothing after CreateRunFrom.
func (s *Store) Receive(run string, name tensor.Hash, values int) (*Incoming, error) {
	if values < 1 || values > tensor.MaxSize {
		return nil, fmt.Errorf("receiving the start model of run %s: %w: %d values, want 1 to %d", run, ErrOtherModel, values, tensor.MaxSize)
	}
	err := s.update(func(tx *bbolt.Tx) error {
		all, err := tx.CreateBucketIfNotExists(incomingBucket)
		if err != nil {
			return err
		}
		own, err := all.CreateBucket([]byte(run))
		if err != nil {
			return err
		}
		_, err = newModel(own, name, values)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("receiving the start model of run %s: %w", run, err)
	}
	return &Incoming{s: s, run: run, name: name, size: 4 * int64(values), hash: sha256.New()}, nil
}

// Write takes the next bytes. It fails with ErrOtherModel if they are more than the model has.
func (in *Incoming) Write(p []byte) (int, error) {
	if int64(len(p)) > in.size-in.taken {
		return 0, fmt.Errorf("receiving the start model of run %s: %w: more than %d bytes", in.run, ErrOtherModel, in.size)
	}
	in.hash.Write(p)
	in.taken += int64(len(p))
	for rest := p; len(rest) > 0; {
		n := min(groupBytes-len(in.buf), len(rest))
		in.buf, rest = append(in.buf, rest[:n]...), rest[n:]
		if len(in.buf) == groupBytes {
			if err := in.flush(); err != nil {
				return len(p) - len(rest), err
			}
		}
	}
	return len(p), nil
}

// flush writes the chunks of one group.
func (in *Incoming) flush() error {
	err := in.s.update(func(tx *bbolt.Tx) error {
		model := tx.Bucket(incomingBucket).Bucket([]byte(in.run)).Bucket(in.name[:])
		for at := 0; at < len(in.buf); at += chunkBytes {
			if err := putChunk(model, in.chunks+at/chunkBytes, in.buf[at:min(at+chunkBytes, len(in.buf))]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("receiving the start model of run %s: %w", in.run, err)
	}
	in.chunks += groupChunks
	in.buf = in.buf[:0]
	in.s.collect(groupBytes)
	return nil
}

// Discard removes what was received.
func (in *Incoming) Discard() error {
	if in.s == nil {
		return nil
	}
	s := in.s
	in.s = nil
	return s.update(func(tx *bbolt.Tx) error { return tx.Bucket(incomingBucket).DeleteBucket([]byte(in.run)) })
}

// CreateRunFrom is CreateRun for a run with a start model: r.StartModel, which is also the model's name, and r.Tensors say
// what it is. It fails with ErrOtherModel, and takes nothing, unless the bytes that came have that SHA-256.
func (s *Store) CreateRunFrom(r record.Run, in *Incoming) error {
	r.StartGiven = true
	if got := tensor.Hash(in.hash.Sum(nil)); in.taken != in.size || got != in.name || r.StartModel != in.name || r.ID != in.run {
		return fmt.Errorf("creating run %s: %w: %d bytes with SHA-256 %v, should be %d with %v", r.ID, ErrOtherModel, in.taken, got, in.size, in.name)
	}
	if len(in.buf) > 0 {
		if err := in.flush(); err != nil {
			return err
		}
	}
	err := s.createRun(r, func(tx *bbolt.Tx, b runBuckets) error {
		all := tx.Bucket(incomingBucket)
		if err := all.Bucket([]byte(r.ID)).MoveBucket(in.name[:], b.models); err != nil {
			return err
		}
		return all.DeleteBucket([]byte(r.ID))
	})
	if err == nil {
		in.s = nil
	}
	return err
}

// sweepIncoming removes what earlier processes did not live to receive.
func (s *Store) sweepIncoming() error {
	left := false
	err := s.view(func(tx *bbolt.Tx) error {
		left = tx.Bucket(incomingBucket) != nil
		return nil
	})
	if err != nil || !left {
		return err
	}
	return s.update(func(tx *bbolt.Tx) error { return tx.DeleteBucket(incomingBucket) })
}

// given tells whether a model was submitted with its run, and so is stored as long as the run is.
func given(r *record.Run, hash tensor.Hash) bool { return r.StartGiven && r.StartModel == hash }

// putChunk writes chunk number n. bbolt keeps references to the data until the commit.
func putChunk(model *bbolt.Bucket, n int, data []byte) error {
	chunk, err := model.CreateBucket(key32(n))
	if err != nil {
		return err
	}
	crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, castagnoli))
	return errors.Join(chunk.Put(crcKey, crc), chunk.Put(dataKey, data))
}
