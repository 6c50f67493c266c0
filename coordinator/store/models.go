package store

import (
	"errors"
	"fmt"
	"runtime"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

const (
	// chunkBytes is such that a chunk and what bbolt adds to it fill 256 pages of 4 KiB, without a nearly empty one.
	chunkBytes = 1<<20 - 64
	// groupBytes is how much one transaction writes at most of a model; bbolt holds as much again in memory.
	groupBytes  = 4 * chunkBytes
	groupValues = groupBytes / 4
	groupChunks = groupBytes / chunkBytes
	// smallBytes is the largest model that is written within the transaction that makes its round exist.
	smallBytes = 2 * chunkBytes
	// garbageBytes is how much of bbolt's used memory may wait to be collected.
	garbageBytes = 16 << 20
)

// WriteModel writes a model, or what a rule remembers beside it, ahead of the round that will have it. For a model it is
// optional; what no round ever refers to is swept at the next Open. It fails with ErrOtherModel unless hash is that of the
// block. The block is not changed, and must not be until the call returns.
func (s *Store) WriteModel(run string, hash tensor.Hash, block []float32) error {
	if err := checkBlock(hash, block); err != nil {
		return fmt.Errorf("writing model of run %s: %w", run, err)
	}
	if err := s.stageBlock(run, hash, block); err != nil {
		return fmt.Errorf("writing model of run %s: %w", run, err)
	}
	return nil
}

func (s *Store) stageBlock(run string, hash tensor.Hash, block []float32) error {
	return s.stage(run, hash, len(block), func(from, to int) ([]float32, error) { return block[from:to], nil })
}

func checkBlock(hash tensor.Hash, block []float32) error {
	if len(block) == 0 {
		return fmt.Errorf("%w: it is empty", ErrOtherModel)
	}
	if got := tensor.HashBlock(block); got != hash {
		return fmt.Errorf("%w: SHA-256 %v, should be %v", ErrOtherModel, got, hash)
	}
	return nil
}

// stage writes a model in transactions of some chunks each, unless it was staged before. values returns its numbers
// [from, to). What a transaction that was interrupted left of the same model is written over.
func (s *Store) stage(run string, hash tensor.Hash, size int, values func(from, to int) ([]float32, error)) error {
	key := modelKey{run, hash}
	if !s.beginStaging(key) {
		return nil
	}
	err := s.stageGroups(key, size, values)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread(key)
	if err == nil {
		s.staged[key] = true
	}
	return err
}

// beginStaging keeps what is about to be written from being swept meanwhile, as if somebody read it; false: it is staged.
func (s *Store) beginStaging(key modelKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.staged[key] {
		return false
	}
	s.readers[key]++
	return true
}

func (s *Store) stageGroups(key modelKey, size int, values func(from, to int) ([]float32, error)) error {
	err := s.update(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, key.run)
		if err != nil {
			return err
		}
		_, err = newModel(b.models, key.hash, size)
		return err
	})
	for group := 0; group*groupValues < size && err == nil; group++ {
		var part []float32
		if part, err = values(group*groupValues, min((group+1)*groupValues, size)); err != nil {
			break
		}
		err = s.update(func(tx *bbolt.Tx) error { return writeGroup(tx, key, part, group) })
		s.collect(groupBytes)
	}
	return err
}

// collect is told how much was written in large transactions. bbolt makes a buffer for each and drops it after the commit;
// beside a large model, which counts as live, the collector would let these grow to the size of the model.
func (s *Store) collect(bytes int) {
	s.mu.Lock()
	s.garbage += bytes
	due := s.garbage >= garbageBytes
	if due {
		s.garbage = 0
	}
	s.mu.Unlock()
	if due {
		runtime.GC()
	}
}

func writeGroup(tx *bbolt.Tx, key modelKey, values []float32, group int) error {
	b, err := openRun(tx, key.run)
	if err != nil {
		return err
	}
	model := b.models.Bucket(key.hash[:])
	if model == nil {
		return fmt.Errorf("%w: %v was swept while it was written", ErrNoModel, key.hash)
	}
	return writeChunks(model, values, group*groupChunks)
}

// newModel makes the bucket of a model without chunks; what was there is removed.
func newModel(models *bbolt.Bucket, hash tensor.Hash, values int) (*bbolt.Bucket, error) {
	if err := models.DeleteBucket(hash[:]); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
		return nil, err
	}
	model, err := models.CreateBucket(hash[:])
	if err != nil {
		return nil, err
	}
	return model, model.Put(valuesKey, seal(key64(uint64(values))))
}

// writeChunks writes values as the chunks from number first on.
func writeChunks(model *bbolt.Bucket, values []float32, first int) error {
	for data := range tensor.Chunks(values, chunkBytes) {
		if err := putChunk(model, first, data); err != nil {
			return err
		}
		first++
	}
	return nil
}

// putModel writes a whole small model.
func putModel(b runBuckets, hash tensor.Hash, block []float32) error {
	model, err := newModel(b.models, hash, len(block))
	if err != nil {
		return err
	}
	return writeChunks(model, block, 0)
}
