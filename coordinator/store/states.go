package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Version is a state of a shard: the one that its task of a round made.
type Version struct {
	Shard, Round int
	Hash         tensor.Hash
	Stays        bool // with its worker: it is not stored here
}

// ShardStates returns the states that shards had after a round, ascending by shard: of each the newest version that is not
// newer than the round. Shards without one are left out. Versions are kept for as long as the models of the last rounds are
// (record.Keep.Last); of an earlier round the answer would lack some.
func (s *Store) ShardStates(run string, round int) (states []Version, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, run)
		if err != nil {
			return err
		}
		all, err := b.allStates()
		for _, v := range all { // ascending by shard and round
			if n := len(states); v.Round <= round && n > 0 && states[n-1].Shard == v.Shard {
				states[n-1] = v
			} else if v.Round <= round {
				states = append(states, v)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing states of shards of run %s: %w", run, err)
	}
	return states, nil
}

// WriteState writes a state of a shard ahead of the round that will refer to it, from values, which returns the numbers
// [from, to) of size. It is not checked against the hash: its caller has. A state that no round ever refers to is swept
// at the next Open.
func (s *Store) WriteState(run string, hash tensor.Hash, size int, values func(from, to int) ([]float32, error)) error {
	if s.HoldsState(run, hash) {
		return nil
	}
	if err := s.stage(run, hash, size, values); err != nil {
		return fmt.Errorf("writing a shard's state of run %s: %w", run, err)
	}
	return nil
}

// HoldsState tells whether a state was written ahead as a whole, or is referred to. What merely lies there may be swept, or
// be the beginning of what was never written to its end.
func (s *Store) HoldsState(run string, hash tensor.Hash) bool {
	s.mu.Lock()
	staged := s.staged[modelKey{run, hash}]
	s.mu.Unlock()
	if staged {
		return true
	}
	found := false
	err := s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, run)
		if err != nil {
			return err
		}
		states, err := b.allStates()
		found = slices.ContainsFunc(states, func(v Version) bool { return v.Hash == hash })
		return err
	})
	return found && err == nil
}

const stateKeySize = 4 + 8

func stateKey(shard, round int) []byte { return append(key32(shard), key64(uint64(round))...) }

func decodeVersion(k, v []byte) (Version, error) {
	if len(k) != stateKeySize {
		return Version{}, fmt.Errorf("%w: key %x is no shard and round", ErrDamaged, k)
	}
	round, ok := parseRound(k[4:])
	if !ok {
		return Version{}, fmt.Errorf("%w: key %x is no shard and round", ErrDamaged, k)
	}
	b, err := unsealSized(v, len(tensor.Hash{})+1)
	if err != nil {
		return Version{}, fmt.Errorf("reading the reference of a shard's state: %w", err)
	}
	return Version{Shard: int(binary.BigEndian.Uint32(k)), Round: round, Hash: tensor.Hash(b[1:]), Stays: b[0] != 0}, nil
}

func (v Version) encode() []byte {
	b := []byte{0}
	if v.Stays {
		b[0] = 1
	}
	return seal(append(b, v.Hash[:]...))
}

// versionsOf returns the states that a round's tasks made.
func versionsOf(r *record.Round) (all []Version) {
	for i, hash := range r.ShardStates {
		all = append(all, Version{r.Participants[i], r.Number, hash, r.StatesStay})
	}
	return all
}

// allStates returns the versions of all shards, ascending by shard and then by round. The bucket is not there in a run that
// began before there were states.
func (r runBuckets) allStates() (all []Version, err error) {
	if r.states == nil {
		return nil, nil
	}
	err = r.states.ForEach(func(k, v []byte) error {
		version, err := decodeVersion(k, v)
		all = append(all, version)
		return err
	})
	return all, err
}

func (r runBuckets) putStates(round *record.Round) (err error) {
	if r.states == nil && len(round.ShardStates) > 0 {
		if r.states, err = r.self.CreateBucket(statesBucket); err != nil {
			return err
		}
	}
	for _, v := range versionsOf(round) {
		if err := r.states.Put(stateKey(v.Shard, v.Round), v.encode()); err != nil {
			return err
		}
	}
	return nil
}

// floor is the earliest round that a run can be expected to go back to: of the states of shards before it only the newest
// are needed.
func floor(last int, rule record.Keep) int { return max(last-rule.Last+1, 0) }

// forgetStates deletes the versions of states that are not needed any more.
func (r runBuckets) forgetStates(last *record.Round, rule record.Keep) error {
	if len(last.ShardStates) == 0 {
		return nil
	}
	all, err := r.allStates()
	for i, v := range all {
		if err == nil && i+1 < len(all) && all[i+1].Shard == v.Shard && all[i+1].Round <= floor(last.Number, rule) {
			err = r.states.Delete(stateKey(v.Shard, v.Round))
		}
	}
	return err
}

// wantStates says what has to be stored of the states of shards.
func (a *audit) wantStates() map[string][]byte {
	want := map[string][]byte{}
	newest := make(map[int]Version) // of those not after the floor
	for _, v := range a.versions {
		if v.Round <= floor(a.head.round, a.run.Keep) {
			newest[v.Shard] = v
			continue
		}
		want[string(stateKey(v.Shard, v.Round))] = v.encode()
	}
	for _, v := range newest {
		want[string(stateKey(v.Shard, v.Round))] = v.encode()
	}
	return want
}

// mayKeepState tells whether a reference to a state can be right: it is readable, and of no round to come.
func (a *audit) mayKeepState(k, v []byte) bool {
	version, err := decodeVersion(k, v)
	return err == nil && version.Round <= a.head.round
}

// checkRound reads all that a run needs to go on after a round, for nothing but its checks.
func (s *Store) checkRound(run string, ref kept) error {
	var err error
	for _, hash := range ref.blobs() {
		err = errors.Join(err, s.checkModel(run, hash))
	}
	if err != nil {
		return err
	}
	states, err := s.ShardStates(run, ref.round)
	if err != nil {
		return err
	}
	for _, v := range states {
		if v.Stays {
			continue
		}
		if err := s.checkModel(run, v.Hash); err != nil {
			return fmt.Errorf("state of shard %d: %w", v.Shard, err)
		}
	}
	return nil
}
