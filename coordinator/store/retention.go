package store

import (
	"bytes"
	"errors"
	"math"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// retain removes the references that no rule keeps, and then the models that no reference is left of. The newest model
// stays, and so do both models of a round whose measurement is due: the one it began with and the one it made.
func (s *Store) retain(b runBuckets, rule record.Keep, last int) error {
	refs, err := references(b)
	if err != nil {
		return err
	}
	needed := map[int]bool{last: true}
	if rule.Best {
		needed[best(refs)] = true
	}
	err = b.due.ForEach(func(k, _ []byte) error {
		if round, ok := parseRound(k); ok {
			needed[round], needed[round-1] = true, true
		}
		return nil
	})
	for _, ref := range refs {
		if err != nil {
			return err
		}
		if needed[ref.round] || ref.round > last-rule.Last || rule.Every > 0 && ref.round%rule.Every == 0 {
			continue
		}
		err = b.kept.Delete(key64(uint64(ref.round)))
	}
	return errors.Join(err, s.sweepRun(b))
}

// best returns the round with the highest accuracy, the earliest of equals; -1 if none was measured.
func best(refs []kept) int {
	round, accuracy := -1, math.Inf(-1)
	for _, ref := range refs {
		if ref.accuracy > accuracy {
			round, accuracy = ref.round, ref.accuracy
		}
	}
	return round
}

// references returns the references of models by round. It fails if one cannot be read: nobody knows its model then.
func references(b runBuckets) (refs []kept, err error) {
	err = b.kept.ForEach(func(k, v []byte) error {
		ref, err := decodeKept(k, v)
		refs = append(refs, ref)
		return err
	})
	return refs, err
}

// sweepRun deletes the models that nothing refers to: no reference, no run that was submitted with one, no reader, and no round that is about to be committed.
func (s *Store) sweepRun(b runBuckets) error {
	names, err := s.unreferenced(b)
	for _, name := range names {
		// A name that is no bucket is what damage left of one.
		if err == nil && b.models.Bucket(name) != nil {
			err = b.models.DeleteBucket(name)
		} else if err == nil {
			err = b.models.Delete(name)
		}
	}
	return err
}

func (s *Store) unreferenced(b runBuckets) (names [][]byte, err error) {
	refs, err := references(b)
	if err != nil {
		return nil, err
	}
	used := make(map[tensor.Hash]bool, len(refs))
	for _, ref := range refs {
		for _, hash := range ref.blobs() {
			used[hash] = true
		}
	}
	states, err := b.allStates()
	if err != nil {
		return nil, err
	}
	for _, v := range states {
		used[v.Hash] = true
	}
	r, err := decodeRun(b)
	if err != nil {
		return nil, err
	}
	if r.StartGiven {
		used[r.StartModel] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = b.models.ForEach(func(name, _ []byte) error {
		hash, err := tensor.HashFromBytes(name)
		key := modelKey{b.id, hash}
		if err != nil || !used[hash] && !s.staged[key] && s.readers[key] == 0 {
			names = append(names, bytes.Clone(name))
		}
		return nil
	})
	return names, err
}

// lastIsKept tells whether the reference of the last round's model is what its entry says. Where it is not, what looks
// unreferenced may be that model.
func lastIsKept(b runBuckets) bool {
	h, err := b.head()
	if err != nil || h.round < 0 {
		return err == nil
	}
	number := key64(uint64(h.round))
	seq := b.rounds.Get(number)
	if len(seq) == 0 {
		return false
	}
	e, errEntry := storedEntry(b.id, seq, b.chain.Get(seq))
	ref, errRef := decodeKept(number, b.kept.Get(number))
	if errEntry != nil || errRef != nil {
		return false
	}
	round, err := e.Round()
	return err == nil && round.Model == ref.hash
}

// sweep deletes what earlier processes wrote and never referred to. Runs that are damaged are left as they are.
func (s *Store) sweep() error {
	var dirty []string
	err := s.eachRun(func(b runBuckets) error {
		if names, err := s.unreferenced(b); err == nil && len(names) > 0 && lastIsKept(b) {
			dirty = append(dirty, b.id)
		}
		return nil
	})
	for _, id := range dirty {
		if err != nil {
			return err
		}
		err = s.update(func(tx *bbolt.Tx) error {
			b, err := openRun(tx, id)
			if err != nil {
				return err
			}
			return s.sweepRun(b)
		})
	}
	return err
}

// eachRun visits the runs that have all their parts, in one transaction.
func (s *Store) eachRun(fn func(b runBuckets) error) error {
	return s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(runsBucket).ForEach(func(id, _ []byte) error {
			b, err := openRun(tx, string(id))
			if err != nil {
				return nil
			}
			return fn(b)
		})
	})
}
