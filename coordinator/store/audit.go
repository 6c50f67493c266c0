package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// audit is what the chain of a run says, read from its first entry to its last. Everything that the store keeps beside the
// chain can be derived from it.
type audit struct {
	run      record.Run
	runErr   error // the run's record is damaged
	head     head  // where the chain goes on
	entries  int   // valid ones
	measures int
	rounds   map[int]audited
	due      map[int]bool
	bad      map[uint64]record.DamagedEntry // by Seq: damaged or missing
	declared map[uint64]tensor.Hash         // by Seq: what Damaged entries say was found
	repairs  []record.Repaired
	problems []Problem // where valid entries do not follow from each other
	// Rounds that a model was kept of, whether its reference is intact or not, and the models that are there.
	keptOf []int
	stored map[tensor.Hash]bool
	// The states of shards that rounds made, ascending by round.
	versions []Version
}

// holds tells whether all is there that a reference keeps.
func (a *audit) holds(ref kept) bool {
	return !slices.ContainsFunc(ref.blobs(), func(h tensor.Hash) bool { return !a.stored[h] })
}

// audited is a round of the chain, without its long parts.
type audited struct {
	seq uint64
	ref kept
}

// audit reads the whole chain. Only what keeps it from being read at all is an error.
func (s *Store) audit(id string) (*audit, error) {
	a := &audit{
		head: head{round: -1}, rounds: make(map[int]audited), due: make(map[int]bool),
		bad: make(map[uint64]record.DamagedEntry), declared: make(map[uint64]tensor.Hash),
		stored: make(map[tensor.Hash]bool),
	}
	stored := head{}
	err := s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, id)
		if err != nil {
			return err
		}
		a.run, a.runErr = s.readRun(b)
		if a.runErr == nil {
			a.head.prev = a.run.Genesis()
		}
		stored, _ = b.head() // a damaged one is found when what is stored is compared with this audit
		return a.models(b)
	})
	a.run.ID = id
	for from := uint64(0); err == nil; {
		var items []found
		var next uint64
		items, next, err = s.batch(id, from)
		for _, item := range items {
			a.take(item)
		}
		if next == from {
			break
		}
		from = next
	}
	a.end(stored.next)
	return a, err
}

func (a *audit) models(b runBuckets) error {
	err := b.kept.ForEach(func(k, _ []byte) error {
		if round, ok := parseRound(k); ok {
			a.keptOf = append(a.keptOf, round)
		}
		return nil
	})
	return errors.Join(err, b.models.ForEach(func(name, _ []byte) error {
		if hash, err := tensor.HashFromBytes(name); err == nil {
			a.stored[hash] = true
		}
		return nil
	}))
}

func (a *audit) problem(where string, err error) {
	a.problems = append(a.problems, Problem{Run: a.run.ID, Where: where, Err: err})
}

// take looks at what is stored in one place of the chain.
func (a *audit) take(item found) {
	if item.err != nil {
		detail := item.err
		if p := (Problem{}); errors.As(item.err, &p) {
			detail = p.Err
		}
		a.bad[item.seq] = record.DamagedEntry{Seq: item.seq, Found: item.bytes, Detail: detail.Error()}
		return
	}
	e := item.entry
	a.missing(e.Seq)
	if e.Prev != a.head.prev && !a.lost(e.Seq) && (a.runErr == nil || e.Seq > 0) {
		a.problem(fmt.Sprintf("entry %d", e.Seq), fmt.Errorf("%w: it follows %v, before it is %v", ErrDamaged, e.Prev, a.head.prev))
	}
	var err error
	switch e.Kind {
	case record.KindRound:
		err = a.takeRound(e)
	case record.KindMeasured:
		err = a.takeMeasured(e)
	case record.KindDamaged:
		err = a.takeDamaged(e)
	case record.KindRepaired:
		err = a.takeRepaired(e)
	}
	if err != nil {
		a.problem(fmt.Sprintf("entry %d", e.Seq), err)
	}
	a.entries++
	a.head.next, a.head.prev = e.Seq+1, e.Hash
}

// missing notes the places before seq where nothing is stored. A valid entry's seq can be believed: its hash covers it.
func (a *audit) missing(seq uint64) {
	for n := a.head.next; n < seq; n++ {
		if _, ok := a.bad[n]; !ok {
			a.bad[n] = record.DamagedEntry{Seq: n, Detail: "missing"}
		}
	}
}

// lost tells whether an entry before seq, after the last valid one, is damaged: nobody knows then what seq should follow.
func (a *audit) lost(seq uint64) bool { return seq > a.head.next }

func (a *audit) takeRound(e record.Entry) error {
	round, err := e.Round()
	if err != nil {
		return err
	}
	last, known := a.rounds[a.head.round]
	_, again := a.rounds[round.Number]
	switch {
	case again || round.Number <= a.head.round:
		err = fmt.Errorf("%w: round %d is in the chain twice", ErrDamaged, round.Number)
	case round.Number > a.head.round+1 && len(a.bad) == 0:
		err = fmt.Errorf("%w: round %d follows round %d", ErrDamaged, round.Number, a.head.round)
	case known && round.Number == a.head.round+1 && round.StartModel != last.ref.hash:
		err = fmt.Errorf("%w: round %d starts from model %v, the one before made %v", ErrDamaged, round.Number, round.StartModel, last.ref.hash)
	}
	a.rounds[round.Number] = audited{seq: e.Seq, ref: referenceOf(&round)}
	a.versions = append(a.versions, versionsOf(&round)...)
	a.head.round = max(a.head.round, round.Number)
	if round.MeasureDue {
		a.due[round.Number] = true
	}
	return err
}

func (a *audit) takeMeasured(e record.Entry) error {
	m, err := e.Measured()
	if err != nil {
		return err
	}
	a.measures++
	if _, ok := a.rounds[m.Round]; ok && !a.due[m.Round] {
		return fmt.Errorf("%w: no measurement of round %d was due", ErrDamaged, m.Round)
	} else if !ok && len(a.bad) == 0 {
		return fmt.Errorf("%w: a measurement of round %d, which is not in the chain", ErrDamaged, m.Round)
	}
	delete(a.due, m.Round)
	return nil
}

func (a *audit) takeDamaged(e record.Entry) error {
	d, err := e.Damaged()
	for _, entry := range d.Entries {
		a.declared[entry.Seq] = entry.Found
	}
	return err
}

func (a *audit) takeRepaired(e record.Entry) error {
	r, err := e.Repaired()
	if err != nil {
		return err
	}
	if round, ok := a.rounds[r.Round]; ok && round.ref.hash != r.Model {
		return fmt.Errorf("%w: it names model %v for round %d, which made %v", ErrDamaged, r.Model, r.Round, round.ref.hash)
	}
	a.repairs = append(a.repairs, r)
	return nil
}

// maxTail bounds how many entries at the end of a chain can be lost without the chain starting over in their places.
const maxTail = 1 << 16

// end closes the audit; stored is how many entries the head says there are, 0 if it is damaged. New entries go behind
// everything that was committed, damaged or not, because nothing is ever rewritten. What is stored elsewhere is a stray
// whose key was damaged.
func (a *audit) end(stored uint64) {
	next := a.head.next
	if stored > next && stored-next < maxTail {
		next = stored
	}
	for stored == 0 {
		if _, ok := a.bad[next]; !ok {
			break
		}
		next++
	}
	a.missing(next)
	a.head.next = next
}

// undeclared returns the damaged entries that no Damaged entry names just as they are, ascending.
func (a *audit) undeclared() []record.DamagedEntry {
	var entries []record.DamagedEntry
	for _, seq := range slices.Sorted(maps.Keys(a.bad)) {
		if as, ok := a.declared[seq]; !ok || as != a.bad[seq].Found {
			entries = append(entries, a.bad[seq])
		}
	}
	return entries
}
