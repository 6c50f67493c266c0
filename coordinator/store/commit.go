package store

import (
	"errors"
	"fmt"
	"math"
	"time"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

// CommitRound makes a round exist, with its model: the block, whose SHA-256 is round.Model. When it returns without an error
// both are on disk; with an error the round does not exist (see the package's rules for ErrReopen). Rounds follow each
// other without gaps from round 0, which has the start model, and each begins with the model of the one before. What the
// round names beside its model (RuleState, ShardStates) must have been written by WriteModel or WriteState. Where
// round.MeasureDue is set, AppendMeasured is expected later. What the run's rule of retention does not keep any more is
// removed in the same transaction.
//
// The returned entry's Hash is the round's record_sha256. The block is not changed, and must not be until the call
// returns. How long the call took is known to Run at once, and is part of the next entry (record.Commit).
func (s *Store) CommitRound(run string, round record.Round, block []float32) (record.Entry, error) {
	e, err := s.commitRound(run, &round, block)
	if err != nil {
		return record.Entry{}, fmt.Errorf("committing round %d of run %s: %w", round.Number, run, err)
	}
	return e, nil
}

func (s *Store) commitRound(run string, round *record.Round, block []float32) (e record.Entry, err error) {
	begin := time.Now()
	if err := checkBlock(round.Model, block); err != nil {
		return e, err
	}
	if err := s.view(func(tx *bbolt.Tx) error { return checkNext(tx, run, round) }); err != nil {
		return e, err
	}
	key, large := modelKey{run, round.Model}, 4*len(block) > smallBytes
	stored := s.isReferenced(key)
	if large && !stored {
		if err := s.stageBlock(run, round.Model, block); err != nil {
			return e, err
		}
	}
	err = s.update(func(tx *bbolt.Tx) error {
		if err := checkNext(tx, run, round); err != nil {
			return err
		}
		b, err := openRun(tx, run)
		if err != nil {
			return err
		}
		if !large && !stored {
			if err := putModel(b, round.Model, block); err != nil {
				return err
			}
		}
		e, err = s.link(b, round)
		return err
	})
	if err != nil {
		return record.Entry{}, err
	}
	s.unstageRun(run)
	s.setCommit(run, &record.Commit{Round: round.Number, Seconds: time.Since(begin).Seconds()})
	return e, nil
}

// checkNext tells whether the round is the one that comes next.
func checkNext(tx *bbolt.Tx, run string, round *record.Round) error {
	b, err := openRun(tx, run)
	if err != nil {
		return err
	}
	h, err := b.head()
	if err != nil {
		return err
	}
	if round.Number != h.round+1 {
		return fmt.Errorf("%w: round %d comes next", ErrOrder, h.round+1)
	}
	if round.Number == 0 {
		return nil
	}
	ref, err := decodeKept(key64(uint64(h.round)), b.kept.Get(key64(uint64(h.round))))
	if err != nil {
		return err
	}
	if round.StartModel != ref.hash {
		return fmt.Errorf("%w: it starts from model %v, the last round made %v", ErrOrder, round.StartModel, ref.hash)
	}
	return nil
}

// isReferenced tells whether a round of the run has this very model already, or the run was submitted with it. Then it is
// stored.
func (s *Store) isReferenced(key modelKey) bool {
	r, err := s.Run(key.run)
	referenced := err == nil && given(&r, key.hash)
	models, err := s.Models(key.run)
	for _, m := range models {
		referenced = referenced || m.Hash == key.hash
	}
	return referenced && err == nil
}

// link adds the entry of a round and everything that follows from it.
func (s *Store) link(b runBuckets, round *record.Round) (record.Entry, error) {
	e, err := s.append(b, round, round.Number)
	if err != nil {
		return e, err
	}
	number := key64(uint64(round.Number))
	if err := b.rounds.Put(number, key64(e.Seq)); err != nil {
		return e, err
	}
	if round.MeasureDue {
		if err := b.due.Put(number, nil); err != nil {
			return e, err
		}
	}
	if err := refer(b, round); err != nil {
		return e, err
	}
	r, err := s.readRun(b)
	if err != nil {
		return e, err
	}
	return e, errors.Join(b.forgetStates(round, r.Keep), s.retain(b, r.Keep, round.Number))
}

// refer makes the references of a round: to its model, to what the rule remembers beside it, and to the states of shards.
// These two must have been written ahead.
func refer(b runBuckets, round *record.Round) error {
	ref := referenceOf(round)
	needed := ref.blobs()
	if !round.StatesStay {
		needed = append(needed, round.ShardStates...)
	}
	for _, hash := range needed {
		if b.models.Bucket(hash[:]) == nil {
			return fmt.Errorf("%w: %v was not written ahead of round %d", ErrNoModel, hash, round.Number)
		}
	}
	if err := b.kept.Put(key64(uint64(round.Number)), ref.encode()); err != nil {
		return err
	}
	return b.putStates(round)
}

// referenceOf is the reference of the model that a round made.
func referenceOf(round *record.Round) kept {
	ref := kept{round: round.Number, hash: round.Model, state: round.RuleState, accuracy: math.NaN()}
	if round.TestAccuracy != nil {
		ref.accuracy = *round.TestAccuracy
	}
	return ref
}

// AppendMeasured adds what was measured on a round, or why it cannot be had any more, and removes the models that only
// the measurement still needed. It fails with ErrOrder unless a measurement of that round is due.
func (s *Store) AppendMeasured(run string, m record.Measured) (record.Entry, error) {
	e, err := s.appendAlone(run, &m, func(b runBuckets, h head) error {
		number := key64(uint64(m.Round))
		if k, _ := b.due.Cursor().Seek(number); string(k) != string(number) {
			return fmt.Errorf("%w: no measurement of it is due", ErrOrder)
		}
		if err := b.due.Delete(number); err != nil {
			return err
		}
		r, err := s.readRun(b)
		if err != nil {
			return err
		}
		return s.retain(b, r.Keep, h.round)
	})
	if err != nil {
		return record.Entry{}, fmt.Errorf("committing what was measured on round %d of run %s: %w", m.Round, run, err)
	}
	return e, nil
}
