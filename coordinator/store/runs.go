package store

import (
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// CreateRun adds a run, after all others in the order of submission. It is durable when the call returns. It fails with
// ErrExists if the id is taken, and with record.ErrInvalid if the run breaks a rule.
func (s *Store) CreateRun(r record.Run) error {
	return s.createRun(r, func(*bbolt.Tx, runBuckets) error { return nil })
}

// createRun adds a run, and does more about it in the same transaction.
func (s *Store) createRun(r record.Run, more func(tx *bbolt.Tx, b runBuckets) error) error {
	encoded, err := r.Marshal()
	if err != nil {
		return fmt.Errorf("creating run: %w", err)
	}
	err = s.update(func(tx *bbolt.Tx) error {
		if tx.Bucket(runsBucket).Bucket([]byte(r.ID)) != nil {
			return ErrExists
		}
		b, err := createRun(tx, r.ID)
		if err != nil {
			return err
		}
		return errors.Join(
			enqueue(tx, r.ID),
			b.self.Put(runKey, seal(encoded)),
			b.setHead(head{round: -1}),
			more(tx, b),
		)
	})
	if err != nil {
		return fmt.Errorf("creating run %s: %w", r.ID, err)
	}
	return nil
}

// enqueue puts a run behind all others.
func enqueue(tx *bbolt.Tx, id string) error {
	order := tx.Bucket(orderBucket)
	last, _ := order.Cursor().Last()
	number, _ := parse64(last)
	return order.Put(key64(number+1), []byte(id))
}

// Run returns the record of a run. It fails with ErrNoRun, or with ErrDamaged if the record is not what was written.
func (s *Store) Run(id string) (r record.Run, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, id)
		if err != nil {
			return err
		}
		r, err = s.readRun(b)
		return err
	})
	return r, err
}

// readRun decodes a run's record, and adds what only this process knows yet.
func (s *Store) readRun(b runBuckets) (record.Run, error) {
	r, err := decodeRun(b)
	if c := s.lastCommit(b.id); c != nil && err == nil {
		r.Committed = c
	}
	return r, err
}

func decodeRun(b runBuckets) (record.Run, error) {
	encoded, err := unseal(b.self.Get(runKey))
	if err != nil {
		return record.Run{}, fmt.Errorf("reading the record of run %s: %w", b.id, err)
	}
	// The decoded run keeps slices of what it was decoded from, which ends with the transaction.
	r, err := record.UnmarshalRun(append([]byte(nil), encoded...))
	if err == nil && r.ID != b.id {
		err = fmt.Errorf("%w: it is that of run %q", ErrDamaged, r.ID)
	}
	if err != nil {
		return record.Run{}, fmt.Errorf("reading the record of run %s: %w", b.id, err)
	}
	return r, nil
}

// Runs returns the runs in the order of their submission. Those whose record is damaged are left out, and the error says
// so; the others are returned all the same.
func (s *Store) Runs() (runs []record.Run, err error) {
	var damaged []error
	err = s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(orderBucket).ForEach(func(_, id []byte) error {
			b, err := openRun(tx, string(id))
			if err != nil {
				damaged = append(damaged, err)
				return nil
			}
			r, err := s.readRun(b)
			if err != nil {
				damaged = append(damaged, err)
				return nil
			}
			runs = append(runs, r)
			return nil
		})
	})
	return runs, errors.Join(append(damaged, err)...)
}

// Find returns the run that a person means by name: its id, the beginning of one id alone, or the name of one run alone,
// in this order. It fails with ErrNoRun or *AmbiguousError.
func (s *Store) Find(name string) (record.Run, error) {
	runs, damaged := s.Runs()
	var byPrefix, byName []record.Run
	for _, r := range runs {
		switch {
		case r.ID == name:
			return r, nil
		case name != "" && strings.HasPrefix(r.ID, name):
			byPrefix = append(byPrefix, r)
		case name != "" && r.Name == name:
			byName = append(byName, r)
		}
	}
	for _, found := range [][]record.Run{byPrefix, byName} {
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			return record.Run{}, &AmbiguousError{Name: name, IDs: ids(found)}
		}
	}
	return record.Run{}, errors.Join(fmt.Errorf("%w: %q", ErrNoRun, name), damaged)
}

func ids(runs []record.Run) []string {
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids
}

// SetStatus changes the status of a run and the reason for it. It fails with ErrFixed if the run has ended for good.
func (s *Store) SetStatus(id string, status record.Status, reason string) error {
	return s.Update(id, func(r *record.Run) error {
		r.Status, r.Reason = status, reason
		return nil
	})
}

// Update changes the record of a run in one transaction; if change fails nothing is changed. It fails with ErrFixed if
// change touches what was submitted, the status of a run that has ended for good, or, once the chain has an entry,
// anything that record.Run.Genesis covers, the start model, or the rule of retention. It fails with ErrOrder if a run
// would be completed with measurements due.
func (s *Store) Update(id string, change func(r *record.Run) error) error {
	err := s.update(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, id)
		if err != nil {
			return err
		}
		r, err := s.readRun(b)
		if err != nil {
			return err
		}
		before := r
		if err := change(&r); err != nil {
			return err
		}
		if err := mayChange(b, &before, &r); err != nil {
			return err
		}
		return putRun(b, &r)
	})
	if err != nil {
		return fmt.Errorf("updating run %s: %w", id, err)
	}
	return nil
}

func putRun(b runBuckets, r *record.Run) error {
	encoded, err := r.Marshal()
	if err != nil {
		return err
	}
	return b.self.Put(runKey, seal(encoded))
}

func mayChange(b runBuckets, before, after *record.Run) error {
	if before.ID != after.ID || string(before.Spec) != string(after.Spec) || string(before.SpecYAML) != string(after.SpecYAML) ||
		!before.Created.Equal(after.Created) || before.StartGiven != after.StartGiven || before.StartGiven && before.StartModel != after.StartModel {
		return fmt.Errorf("%w: what was submitted", ErrFixed)
	}
	if before.Status.Final() && after.Status != before.Status {
		return fmt.Errorf("%w: the run is %v, not %v", ErrFixed, before.Status, after.Status)
	}
	if due, _ := b.due.Cursor().First(); after.Status == record.Completed && due != nil {
		return fmt.Errorf("%w: a run with measurements due is not completed", ErrOrder)
	}
	h, err := b.head()
	if err != nil || h.next == 0 {
		return nil
	}
	if before.Genesis() != after.Genesis() {
		return fmt.Errorf("%w: layout, shards or numerics version are part of the chain", ErrFixed)
	}
	if before.StartModel != after.StartModel || before.Keep != after.Keep {
		return fmt.Errorf("%w: start model and retention of a run that has begun", ErrFixed)
	}
	return nil
}

// AdoptData compares data with those that the run is known to use, and adds the arrays that nobody has shown before. Where
// both have an array and they differ it fails with ErrOtherData and names the array, and nothing is changed.
func (s *Store) AdoptData(id string, data record.Data) error {
	known, err := s.Run(id)
	if err != nil {
		return err
	}
	merged, err := mergeData(known.Data, data)
	if err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	if merged == known.Data {
		return nil
	}
	return s.Update(id, func(r *record.Run) (err error) {
		r.Data, err = mergeData(r.Data, data)
		return err
	})
}

func mergeData(known, shown record.Data) (record.Data, error) {
	arrays := []struct {
		name  string
		known *tensor.Hash
		shown tensor.Hash
	}{
		{"training examples", &known.TrainX, shown.TrainX}, {"training labels", &known.TrainY, shown.TrainY},
		{"test examples", &known.TestX, shown.TestX}, {"test labels", &known.TestY, shown.TestY},
	}
	for _, a := range arrays {
		switch {
		case a.known.IsZero():
			*a.known = a.shown
		case !a.shown.IsZero() && a.shown != *a.known:
			return known, fmt.Errorf("%w: the %s have SHA-256 %v, the run's %v", ErrOtherData, a.name, a.shown, *a.known)
		}
	}
	return known, nil
}

// Remove deletes a run with its chain and models, and whatever damage left of it.
func (s *Store) Remove(id string) error {
	err := s.update(func(tx *bbolt.Tx) error {
		runs, found := tx.Bucket(runsBucket), false
		c := tx.Bucket(orderBucket).Cursor()
		for number, of := c.First(); number != nil && !found; number, of = c.Next() {
			if found = string(of) == id; found {
				if err := c.Delete(); err != nil {
					return err
				}
			}
		}
		if id != "" && runs.Bucket([]byte(id)) != nil {
			return runs.DeleteBucket([]byte(id))
		} else if !found {
			return ErrNoRun
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("removing run %s: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.commits, id)
	for key := range s.staged {
		if key.run == id {
			delete(s.staged, key)
		}
	}
	return nil
}

func (s *Store) lastCommit(id string) *record.Commit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits[id]
}

func (s *Store) setCommit(id string, c *record.Commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c == nil {
		delete(s.commits, id)
		return
	}
	s.commits[id] = c
}
