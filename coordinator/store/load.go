package store

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// State is where a run can go on.
type State struct {
	Run   record.Run
	Last  int           // the last round whose entry is intact; -1: not even the start model was committed
	Round *record.Round // that round; nil with Last -1
	Entry tensor.Hash   // the Hash of its entry
	Due   []int         // rounds whose measurement is still missing, ascending
	// Model is the newest round whose model is intact; -1: none. If it is before Last, the rounds between are computed
	// again from it (or from the start model, which the seed gives), each with the participants of its record and to the
	// hash of its record, and the last model stored with RestoreModel.
	Model int
	// NeedsMend: Mend must be called before anything is appended.
	NeedsMend bool
	// Problems says what is damaged: to be said loudly.
	Problems []Problem
}

// Load reads the whole chain of a run and its newest models, and says where the run can go on. Damage is no error as long
// as the run's own record is intact: it is in State.Problems.
func (s *Store) Load(id string) (State, error) {
	a, err := s.audit(id)
	if err == nil {
		err = a.runErr
	}
	if err != nil {
		return State{}, fmt.Errorf("loading run %s: %w", id, err)
	}
	st := State{Run: a.run, Last: a.head.round, Model: -1, Due: slices.Sorted(maps.Keys(a.due))}
	st.Problems = append(st.Problems, a.problems...)
	for _, d := range a.undeclared() {
		st.Problems = append(st.Problems, badEntry(id, d))
	}
	derived, err := s.compare(a)
	if err != nil {
		return State{}, fmt.Errorf("loading run %s: %w", id, err)
	}
	st.NeedsMend = len(derived) > 0 || len(a.undeclared()) > 0
	st.Problems = append(st.Problems, derived...)
	s.newestModel(a, &st)
	if st.Last >= 0 {
		round, err := s.entryRound(id, a.rounds[st.Last].seq, &st.Entry)
		if err != nil {
			return State{}, fmt.Errorf("loading run %s: %w", id, err)
		}
		st.Round = &round
	}
	return st, nil
}

func badEntry(run string, d record.DamagedEntry) Problem {
	return Problem{Run: run, Where: fmt.Sprintf("entry %d", d.Seq), Err: fmt.Errorf("%w entry: %s", ErrDamaged, d.Detail)}
}

// entryRound reads a round by the number of its entry: the index of rounds may be what is damaged.
func (s *Store) entryRound(run string, seq uint64, hash *tensor.Hash) (record.Round, error) {
	for e, err := range s.Entries(run, seq) {
		if err != nil {
			return record.Round{}, err
		}
		*hash = e.Hash
		return e.Round()
	}
	return record.Round{}, fmt.Errorf("%w: entry %d", ErrNoRound, seq)
}

// newestModel goes back from the last round to the first model that is intact.
func (s *Store) newestModel(a *audit, st *State) {
	rounds := slices.Sorted(maps.Keys(a.rounds))
	refs, err := s.storedRefs(a.run.ID)
	for _, round := range slices.Backward(rounds) {
		// Without references, which Mend makes anew, any model that is there will do.
		if err == nil && !refs[round] && round != st.Last {
			continue
		}
		damage := s.checkRound(a.run.ID, a.rounds[round].ref)
		if damage == nil {
			st.Model = round
			return
		}
		if err == nil || round == st.Last {
			st.Problems = append(st.Problems, badModel(a.run.ID, round, damage))
		}
	}
}

func badModel(run string, round int, err error) Problem {
	return Problem{Run: run, Where: fmt.Sprintf("model of round %d", round), Err: err}
}

func (s *Store) storedRefs(run string) (map[int]bool, error) {
	models, err := s.Models(run)
	refs := make(map[int]bool, len(models))
	for _, m := range models {
		refs[m.Round] = true
	}
	return refs, err
}

// compare says where what is stored beside the chain is not what follows from the chain.
func (s *Store) compare(a *audit) (problems []Problem, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, a.run.ID)
		if err != nil {
			return err
		}
		for _, d := range a.derive() {
			if what := d.differs(b); what != "" {
				problems = append(problems, Problem{Run: a.run.ID, Where: d.name, Err: fmt.Errorf("%w: %s", ErrDamaged, what)})
			}
		}
		return nil
	})
	return problems, err
}

// derived is a bucket whose contents follow from the chain.
type derived struct {
	name   string
	bucket func(b runBuckets) *bbolt.Bucket
	want   map[string][]byte
	// allowed tells whether a pair may be there though it is not in want.
	allowed func(k, v []byte) bool
}

// derive says what has to be stored beside the chain.
func (a *audit) derive() []derived {
	rounds, due, refs := map[string][]byte{}, map[string][]byte{}, map[string][]byte{}
	for number, r := range a.rounds {
		rounds[string(key64(uint64(number)))] = key64(r.seq)
	}
	for number := range a.due {
		due[string(key64(uint64(number)))] = []byte{}
	}
	if last, ok := a.rounds[a.head.round]; ok {
		refs[string(key64(uint64(a.head.round)))] = last.ref.encode()
	}
	for _, number := range a.keptOf {
		if r, ok := a.rounds[number]; ok && a.holds(r.ref) {
			refs[string(key64(uint64(number)))] = r.ref.encode()
		}
	}
	never := func(_, _ []byte) bool { return false }
	return []derived{
		{"head of the chain", func(b runBuckets) *bbolt.Bucket { return b.self }, map[string][]byte{string(headKey): a.wantHead().encode()},
			func(k, _ []byte) bool { return !bytes.Equal(k, headKey) }},
		{"index of rounds", func(b runBuckets) *bbolt.Bucket { return b.rounds }, rounds, never},
		{"measurements due", func(b runBuckets) *bbolt.Bucket { return b.due }, due, never},
		{"references of models", func(b runBuckets) *bbolt.Bucket { return b.kept }, refs, a.mayKeep},
		{"references of states", func(b runBuckets) *bbolt.Bucket { return b.states }, a.wantStates(), a.mayKeepState},
	}
}

// wantHead is the head as it is stored: an empty chain has no Prev yet.
func (a *audit) wantHead() head {
	if a.head.next == 0 {
		return head{round: -1}
	}
	return a.head
}

// mayKeep tells whether a reference can be right: it is that of a round of the chain, or of one whose entry was lost.
func (a *audit) mayKeep(k, v []byte) bool {
	ref, err := decodeKept(k, v)
	if err != nil || ref.round > a.head.round {
		return false
	}
	round, ok := a.rounds[ref.round]
	return !ok || bytes.Equal(round.ref.encode(), v)
}

// differs says how a bucket differs from what it should hold; empty: it does not.
func (d derived) differs(b runBuckets) string {
	bucket := d.bucket(b)
	if bucket == nil && len(d.want) == 0 {
		return ""
	} else if bucket == nil {
		return "it is missing"
	}
	for k, want := range d.want {
		if c, v := bucket.Cursor().Seek([]byte(k)); string(c) != k || !bytes.Equal(v, want) {
			return fmt.Sprintf("%x is missing or wrong", k)
		}
	}
	what := ""
	for _, k := range d.surplus(bucket) {
		what = fmt.Sprintf("%x should not be there, or is wrong", k)
	}
	return what
}

// surplus returns the keys of what should not be there.
func (d derived) surplus(bucket *bbolt.Bucket) (keys [][]byte) {
	c := bucket.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if _, ok := d.want[string(k)]; !ok && !d.allowed(k, v) {
			keys = append(keys, bytes.Clone(k))
		}
	}
	return keys
}
