package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

// Verify checks everything in the store of dir: that the pages are sound, by this package's own rules and then by bbolt's,
// each entry's hash and the chain that they make, what is stored beside it, each chunk's CRC, and the SHA-256 of each
// model. It changes nothing. What it finds is in the Report; an error means that it could not look: there is no store, it
// is in use, or of a newer version.
func Verify(dir string) (*Report, error) {
	path := filepath.Join(dir, fileName)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrNoStore, dir)
	} else if err != nil {
		return nil, fmt.Errorf("verifying store: %w", err)
	}
	lock, err := acquire(dir, false)
	if err != nil {
		return nil, fmt.Errorf("verifying store: %w", err)
	}
	report := &Report{Dir: dir, Bytes: info.Size()}
	err = report.pages(path)
	if err == nil && len(report.Problems) == 0 {
		err = report.contents(dir, path)
	}
	if err := errors.Join(err, lock.release()); err != nil {
		return nil, fmt.Errorf("verifying store: %w", err)
	}
	return report, nil
}

// pages checks the file without bbolt. It may only be mapped if nothing is found here.
func (r *Report) pages(path string) error {
	img, file, err := openImage(path)
	if errors.Is(err, ErrDamaged) {
		r.Problems = append(r.Problems, Problem{Where: fileName, Err: err})
		return nil
	} else if err != nil {
		return err
	}
	problems, err := img.check(nil)
	for _, p := range problems {
		r.Problems = append(r.Problems, Problem{Where: fileName, Err: p})
	}
	r.Pages = int(img.meta.pages)
	return errors.Join(err, file.Close())
}

func (r *Report) contents(dir, path string) error {
	db, err := openFile(path, Options{}, true)
	if err != nil {
		return err
	}
	s := &Store{dir: dir, db: db, readOnly: true, readers: make(map[modelKey]int)}
	err = s.view(func(tx *bbolt.Tx) error {
		for problem := range tx.Check() {
			r.Problems = append(r.Problems, Problem{Where: fileName, Err: fmt.Errorf("%w: %w", ErrDamaged, problem)})
		}
		return checkFormat(tx)
	})
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotStore) {
		r.Problems = append(r.Problems, Problem{Where: fileName, Err: err})
		return db.Close()
	}
	if err == nil {
		r.Format = Format
		err = r.allRuns(s)
	}
	return errors.Join(err, db.Close())
}

// allRuns checks the runs in the order of submission, and those that have no place in it.
func (r *Report) allRuns(s *Store) error {
	var order []string
	err := s.view(func(tx *bbolt.Tx) error {
		placed := make(map[string]bool)
		runs := tx.Bucket(runsBucket)
		err := tx.Bucket(orderBucket).ForEach(func(_, id []byte) error {
			order = append(order, string(id))
			if placed[string(id)] || runs.Bucket(id) == nil {
				r.problem(string(id), "order of runs", fmt.Errorf("%w: the run is not there, or in it twice", ErrDamaged))
			}
			placed[string(id)] = true
			return nil
		})
		return errors.Join(err, runs.ForEach(func(id, _ []byte) error {
			if !placed[string(id)] {
				order = append(order, string(id))
				r.problem(string(id), "order of runs", fmt.Errorf("%w: the run is not in it", ErrDamaged))
			}
			return nil
		}))
	})
	for _, id := range order {
		if err == nil {
			err = r.run(s, id)
		}
	}
	return err
}

func (r *Report) run(s *Store, id string) error {
	a, err := s.audit(id)
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNoRun) {
		r.problem(id, "run", err)
		return nil
	} else if err != nil {
		return err
	}
	if a.runErr != nil {
		r.problem(id, "record of the run", a.runErr)
	}
	r.Problems = append(r.Problems, a.problems...)
	of := RunReport{
		ID: id, Name: a.run.Name, Status: a.run.Status, Entries: a.entries, Rounds: max(a.head.round, 0), Measured: a.measures,
		Due: len(a.due),
	}
	r.damage(a, &of)
	derived, err := s.compare(a)
	r.Problems = append(r.Problems, derived...)
	if err == nil {
		err = r.models(s, a, &of)
	}
	r.Runs = append(r.Runs, of)
	if a.run.Status == record.Completed && len(a.due) > 0 {
		r.problem(id, "status", fmt.Errorf("%w: completed, but %d measurements are due", ErrDamaged, len(a.due)))
	}
	return err
}

// damage tells declared damage, which is only reported, from the rest.
func (r *Report) damage(a *audit, of *RunReport) {
	undeclared := a.undeclared()
	for _, d := range undeclared {
		r.Problems = append(r.Problems, badEntry(a.run.ID, d))
	}
	of.Declared = len(a.bad) - len(undeclared)
	of.Repaired = len(a.repairs)
}

func (r *Report) models(s *Store, a *audit, of *RunReport) error {
	id := a.run.ID
	var spare [][]byte
	err := s.eachRun(func(b runBuckets) (err error) {
		if b.id == id {
			spare, err = s.unreferenced(b)
		}
		return err
	})
	of.Unreferenced = len(spare)
	models, errModels := s.Models(id)
	if err := errors.Join(err, errModels); err != nil {
		r.problem(id, "references of models", err)
		return nil
	}
	if a.run.StartGiven {
		models = append(models, Kept{Hash: a.run.StartModel})
	}
	for _, m := range models {
		for _, hash := range (kept{hash: m.Hash, state: m.RuleState}).blobs() {
			if err := r.model(s, id, hash, of); errors.Is(err, ErrDamaged) || errors.Is(err, ErrNoModel) {
				r.Problems = append(r.Problems, badModel(id, m.Round, err))
			} else if err != nil {
				return err
			}
		}
	}
	return r.states(s, id, of)
}

// states checks the states of shards, those that versions are needed of besides the newest ones too.
func (r *Report) states(s *Store, id string, of *RunReport) error {
	var all []Version
	err := s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, id)
		if err == nil {
			all, err = b.allStates()
		}
		return err
	})
	if err != nil {
		r.problem(id, "references of states", err)
		return nil
	}
	for _, v := range all {
		if v.Stays {
			continue
		}
		err := r.model(s, id, v.Hash, of)
		if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNoModel) {
			r.problem(id, fmt.Sprintf("state of shard %d of round %d", v.Shard, v.Round), err)
		} else if err != nil {
			return err
		}
	}
	return nil
}
