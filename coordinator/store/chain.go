package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// append adds an entry to the chain of a run and moves its head; last is the round that is then the last one.
func (s *Store) append(b runBuckets, body record.Body, last int) (record.Entry, error) {
	h, err := b.head()
	if err != nil {
		return record.Entry{}, err
	}
	r, err := decodeRun(b)
	if err != nil {
		return record.Entry{}, err
	}
	if h.next == 0 {
		h.prev = r.Genesis()
	}
	committed := r.Committed
	if c := s.lastCommit(b.id); c != nil {
		committed = c
	}
	e, err := record.Link(b.id, h.next, h.prev, body, committed)
	if err != nil {
		return record.Entry{}, err
	}
	if (e.Kind == record.KindRound || e.Kind == record.KindMeasured) && r.Status == record.Completed {
		return record.Entry{}, fmt.Errorf("%w: the run is completed", ErrFixed)
	}
	encoded, err := e.Marshal()
	if err != nil {
		return record.Entry{}, err
	}
	if r.Committed != nil {
		r.Committed = nil
		if err := putRun(b, &r); err != nil {
			return record.Entry{}, err
		}
	}
	b.chain.FillPercent = 0.95 // keys ascend, so the pages behind stay as they are
	if err := b.chain.Put(key64(e.Seq), encoded); err != nil {
		return record.Entry{}, err
	}
	return e, b.setHead(head{next: h.next + 1, prev: e.Hash, round: last})
}

// appendAlone adds an entry that is no round, and what fn does, in one transaction.
func (s *Store) appendAlone(run string, body record.Body, fn func(b runBuckets, h head) error) (e record.Entry, err error) {
	err = s.update(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, run)
		if err != nil {
			return err
		}
		h, err := b.head()
		if err != nil {
			return err
		}
		if e, err = s.append(b, body, h.round); err != nil {
			return err
		}
		return fn(b, h)
	})
	if err != nil {
		return record.Entry{}, err
	}
	s.setCommit(run, nil)
	return e, nil
}

// storedEntry decodes what is stored under a key of the chain, and checks all that can be checked of it alone.
func storedEntry(run string, key, value []byte) (record.Entry, error) {
	e, err := record.UnmarshalEntry(bytes.Clone(value))
	if err != nil {
		return record.Entry{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if seq, ok := parse64(key); !ok || seq != e.Seq {
		return record.Entry{}, fmt.Errorf("%w: entry %d is stored under key %x", ErrDamaged, e.Seq, key)
	}
	if err := e.CheckHash(run); err != nil {
		return record.Entry{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := e.CheckBody(); err != nil {
		return record.Entry{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return e, nil
}

// batchBytes is about how much of a chain is read in one transaction.
const batchBytes = 256 << 10

// Entries yields the entries of a run from number from on, to the end that the chain has when it is reached. An entry that
// is damaged is yielded as an error of a Problem that says where, and the next one follows. No transaction is held between two of them.
func (s *Store) Entries(run string, from uint64) iter.Seq2[record.Entry, error] {
	return func(yield func(record.Entry, error) bool) {
		for {
			batch, next, err := s.batch(run, from)
			if err != nil {
				yield(record.Entry{}, err)
				return
			}
			for _, item := range batch {
				if !yield(item.entry, item.err) {
					return
				}
			}
			if next == from {
				return
			}
			from = next
		}
	}
}

// found is an entry, or why it is none.
type found struct {
	entry record.Entry
	seq   uint64
	bytes tensor.Hash // SHA-256 of what is stored; zero: nothing is
	err   error
}

// batch reads some entries from number from on; next is the number after the last of them.
func (s *Store) batch(run string, from uint64) (batch []found, next uint64, err error) {
	next = from
	err = s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, run)
		if err != nil {
			return err
		}
		size := 0
		c := b.chain.Cursor()
		for k, v := c.Seek(key64(from)); k != nil && size < batchBytes; k, v = c.Next() {
			seq, ok := parse64(k)
			if !ok {
				seq = next
			}
			e, err := storedEntry(run, k, v)
			if err != nil {
				err = Problem{Run: run, Where: fmt.Sprintf("entry %d", seq), Err: err}
			}
			batch = append(batch, found{entry: e, seq: seq, bytes: sha256.Sum256(v), err: err})
			size += len(v)
			next = max(next, seq) + 1
		}
		return nil
	})
	return batch, next, err
}

// Round returns the entry of a round and the round in it. It fails with ErrNoRound if it was not committed.
func (s *Store) Round(run string, number int) (round record.Round, e record.Entry, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, run)
		if err != nil {
			return err
		}
		key := b.rounds.Get(key64(uint64(number)))
		if key == nil {
			return ErrNoRound
		}
		if e, err = storedEntry(run, key, b.chain.Get(key)); err != nil {
			return err
		}
		if round, err = e.Round(); err == nil && round.Number != number {
			err = fmt.Errorf("%w: entry %d is round %d", ErrDamaged, e.Seq, round.Number)
		}
		return err
	})
	if err != nil {
		return record.Round{}, record.Entry{}, fmt.Errorf("reading round %d of run %s: %w", number, run, err)
	}
	return round, e, nil
}

// Kept is a stored model.
type Kept struct {
	Round     int
	Hash      tensor.Hash
	RuleState tensor.Hash // of what the rule remembers beside it; zero: nothing
}

// Models returns the models of a run that are stored, by round.
func (s *Store) Models(run string) (models []Kept, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, run)
		if err != nil {
			return err
		}
		refs, err := references(b)
		for _, ref := range refs {
			models = append(models, Kept{Round: ref.round, Hash: ref.hash, RuleState: ref.state})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing models of run %s: %w", run, err)
	}
	return models, nil
}
