// Package store keeps the states that shards have of their own (control variates, optimizers, personal tensors) in one bbolt
// file in a worker's directory.
//
// Rules: a state is named by its run, its shard and its SHA-256, and is either there as a whole or not at all. When Put
// returns it is on disk. Nothing is believed that is read: bytes that are not what they are called are ErrNoState, as if they
// were not there. Old versions stay until Forget says which ones are still wanted. Methods may be called by any goroutine.
package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// ErrNoState says that a state is not there, or not what it should be.
var ErrNoState = errors.New("state is not here")

// The file: run -> shard u32, SHA-256 -> bucket: "values" u64, the number of values, written last; chunk u32 -> float32 values,
// little-endian.
var valuesKey = []byte("values")

const (
	// chunkBytes is such that a chunk and what bbolt adds to it fill 256 pages of 4 KiB.
	chunkBytes = 1<<20 - 64
	// groupValues is how many numbers a transaction writes at most: bbolt holds as much again in memory.
	groupValues = 4 * chunkBytes / 4
	keySize     = 4 + len(tensor.Hash{})
)

// Store is an open file.
type Store struct{ db *bbolt.DB }

// Open opens the file, which is made if it is not there. Nobody else may have it open. Close must be called.
func Open(path string) (*Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true})
	if err != nil {
		return nil, fmt.Errorf("opening the store of states %s: %w", path, err)
	}
	return &Store{db}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Version names a state of a shard.
type Version struct {
	Shard int
	Hash  tensor.Hash
}

func (v Version) key() []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(v.Shard)), v.Hash[:]...)
}

// Put stores a state, and returns its SHA-256. The block is not changed. What an interrupted Put left is written over.
func (s *Store) Put(run string, shard int, block []float32) (tensor.Hash, error) {
	v := Version{shard, tensor.HashBlock(block)}
	if s.Has(run, v) {
		return v.Hash, nil
	}
	err := s.update(run, func(b *bbolt.Bucket) error {
		if err := b.DeleteBucket(v.key()); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
			return err
		}
		_, err := b.CreateBucket(v.key())
		return err
	})
	for from := 0; from < len(block) && err == nil; from += groupValues {
		part, last := block[from:min(from+groupValues, len(block))], from+groupValues >= len(block)
		err = s.update(run, func(b *bbolt.Bucket) error { return putGroup(b.Bucket(v.key()), part, from, last) })
	}
	if err != nil {
		return v.Hash, fmt.Errorf("storing the state of shard %d of run %s: %w", shard, run, err)
	}
	return v.Hash, nil
}

// putGroup writes the numbers from the given one on, and that the state is whole after the last of them.
func putGroup(state *bbolt.Bucket, values []float32, from int, last bool) error {
	if state == nil {
		return fmt.Errorf("%w: it was forgotten while it was written", ErrNoState)
	}
	number := uint32(from / (chunkBytes / 4))
	for data := range tensor.Chunks(values, chunkBytes) {
		if err := state.Put(binary.BigEndian.AppendUint32(nil, number), data); err != nil {
			return err
		}
		number++
	}
	if !last {
		return nil
	}
	return state.Put(valuesKey, binary.BigEndian.AppendUint64(nil, uint64(from+len(values))))
}

func (s *Store) update(run string, fn func(b *bbolt.Bucket) error) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(run))
		if err != nil {
			return err
		}
		return fn(b)
	})
}

// Has tells whether a state is there as a whole. It does not read it.
func (s *Store) Has(run string, v Version) bool {
	found := false
	_ = s.db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(run)); b != nil {
			state := b.Bucket(v.key())
			found = state != nil && state.Get(valuesKey) != nil
		}
		return nil
	})
	return found
}

// Copy writes a state's bytes to w. It fails with ErrNoState if they are not there, and also, when all are written, if they
// do not have the SHA-256.
func (s *Store) Copy(w io.Writer, run string, v Version) error {
	hash := sha256.New()
	err := s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(run))
		if b == nil || b.Bucket(v.key()) == nil || b.Bucket(v.key()).Get(valuesKey) == nil {
			return ErrNoState
		}
		return b.Bucket(v.key()).ForEach(func(k, data []byte) error {
			if bytes.Equal(k, valuesKey) {
				return nil
			}
			_, err := io.MultiWriter(hash, w).Write(data)
			return err
		})
	})
	if err == nil && tensor.Hash(hash.Sum(nil)) != v.Hash {
		err = fmt.Errorf("%w: it is damaged", ErrNoState)
	}
	if err != nil {
		return fmt.Errorf("reading state %v of shard %d of run %s: %w", v.Hash, v.Shard, run, err)
	}
	return nil
}

// Versions returns the states of a run that are there, ascending by shard.
func (s *Store) Versions(run string) (all []Version, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(run))
		if b == nil {
			return nil
		}
		return b.ForEachBucket(func(k []byte) error {
			if len(k) == keySize && b.Bucket(k).Get(valuesKey) != nil {
				all = append(all, Version{int(binary.BigEndian.Uint32(k)), tensor.Hash(k[4:])})
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing states of run %s: %w", run, err)
	}
	return all, nil
}

// Runs returns the runs of which there are states, or were.
func (s *Store) Runs() (runs []string, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(run []byte, _ *bbolt.Bucket) error {
			runs = append(runs, string(run))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing runs with states: %w", err)
	}
	return runs, nil
}

// Forget removes the versions of a shard that are not among those to be kept.
func (s *Store) Forget(run string, shard int, keep ...tensor.Hash) error {
	all, err := s.Versions(run)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(v Version) bool { return v.Shard != shard || slices.Contains(keep, v.Hash) })
	if len(all) == 0 {
		return nil
	}
	err = s.update(run, func(b *bbolt.Bucket) error {
		for _, v := range all {
			if err := b.DeleteBucket(v.key()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forgetting states of shard %d of run %s: %w", shard, run, err)
	}
	return nil
}

// ForgetRun removes all states of a run.
func (s *Store) ForgetRun(run string) error {
	err := s.db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(run)) })
	if err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
		return fmt.Errorf("forgetting run %s: %w", run, err)
	}
	return nil
}
