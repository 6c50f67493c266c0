package store

import (
	"fmt"
	"maps"
	"time"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

// Mend makes a run whose State says NeedsMend fit to go on: what is stored beside the chain is derived anew from its valid
// entries, and one Damaged entry, stamped now, declares those that are not valid. The chain goes on behind them; a round
// whose entry is lost at the chain's end is done again.
func (s *Store) Mend(id string, now time.Time) error {
	a, err := s.audit(id)
	if err == nil {
		err = a.runErr
	}
	if err != nil {
		return fmt.Errorf("mending run %s: %w", id, err)
	}
	s.setCommit(id, nil)
	err = s.update(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, id)
		if err != nil {
			return err
		}
		for _, d := range a.derive() {
			if err := d.put(b); err != nil {
				return err
			}
		}
		if entries := a.undeclared(); len(entries) > 0 {
			_, err = s.append(b, &record.Damaged{Entries: entries, Time: now}, a.head.round)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("mending run %s: %w", id, err)
	}
	return nil
}

// put makes the bucket hold what it should.
func (d derived) put(b runBuckets) (err error) {
	bucket := d.bucket(b)
	if bucket == nil { // only that of states may be missing: see allStates
		if bucket, err = b.self.CreateBucketIfNotExists(statesBucket); err != nil {
			return err
		}
	}
	for _, k := range d.surplus(bucket) {
		if err := bucket.Delete(k); err != nil {
			return err
		}
	}
	for k, v := range d.want {
		if err := bucket.Put([]byte(k), v); err != nil {
			return err
		}
	}
	return nil
}

// RestoreModel stores the model of a committed round again after it was found damaged and was computed anew. The block must
// have the recorded hash, else it fails with ErrOtherModel. What else the round made must be there or have been written
// ahead, as for CommitRound. A Repaired entry says so in the chain; the round itself is
// not there a second time.
func (s *Store) RestoreModel(run string, number int, block []float32, repaired record.Repaired) (record.Entry, error) {
	e, err := s.restore(run, number, block, repaired)
	if err != nil {
		return record.Entry{}, fmt.Errorf("restoring the model of round %d of run %s: %w", number, run, err)
	}
	return e, nil
}

func (s *Store) restore(run string, number int, block []float32, repaired record.Repaired) (record.Entry, error) {
	round, _, err := s.Round(run, number)
	if err != nil {
		return record.Entry{}, err
	}
	if err := checkBlock(round.Model, block); err != nil {
		return record.Entry{}, err
	}
	key, large := modelKey{run, round.Model}, 4*len(block) > smallBytes
	// A model that was submitted is never written over: if it is not intact, nobody has this block.
	r, err := s.Run(run)
	if err != nil {
		return record.Entry{}, err
	}
	stored := given(&r, round.Model)
	if large && !stored {
		if err := s.restage(key, block); err != nil {
			return record.Entry{}, err
		}
	}
	repaired.Round, repaired.Model = number, round.Model
	e, err := s.appendAlone(run, &repaired, func(b runBuckets, _ head) error {
		if !large && !stored {
			if err := putModel(b, round.Model, block); err != nil {
				return err
			}
		}
		return refer(b, &round)
	})
	if err == nil {
		s.unstage(key)
		s.unstage(modelKey{run, round.RuleState})
	}
	return e, err
}

// restage writes a model even if it was staged before.
func (s *Store) restage(key modelKey, block []float32) error {
	s.unstage(key)
	return s.stageBlock(key.run, key.hash, block)
}

// unstageRun forgets what was written ahead of a round that is committed now: what it refers to stays, the rest may go.
func (s *Store) unstageRun(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.staged, func(key modelKey, _ bool) bool { return key.run == run })
}

func (s *Store) unstage(key modelKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.staged, key)
}
