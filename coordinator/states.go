package coordinator

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// shardStates is what the owner knows of the states that shards have of their own: never the states themselves, which are
// on disk, here (travels) or with the workers.
type shardStates struct {
	size    int // of each; 0: shards have none
	travels bool
	current map[int]tensor.Hash // after the last committed round; a shard without one has no state yet
	fresh   []int               // shards that began the round at hand without the state that they had
}

func (o *owner) newShardStates() shardStates {
	return shardStates{
		size: o.job.ShardState().Size(), travels: workload.StatesTravel(o.spec, o.job), current: make(map[int]tensor.Hash),
	}
}

// load reads which states shards had after a round.
func (s *shardStates) load(o *owner, round int) error {
	if s.size == 0 {
		return nil
	}
	clear(s.current)
	versions, err := o.c.store.ShardStates(o.run.ID, round)
	for _, v := range versions {
		s.current[v.Shard] = v.Hash
	}
	return err
}

// pushBytes returns the size of the states behind an update or a sum of so many tasks.
func (s *shardStates) pushBytes(tasks int) int64 {
	if !s.travels {
		return 0
	}
	return int64(tasks) * 4 * int64(s.size)
}

// check looks whether a push names states as it has to.
func (s *shardStates) check(p *wire.Push) error {
	for _, t := range p.Tasks {
		if t.State.IsZero() != (s.size == 0) {
			return fmt.Errorf("state_sha256 of shard %d is %v, a shard's state has %d numbers", t.Shard, t.State, s.size)
		}
	}
	return nil
}

// stays tells whether a shard's state lies with workers, so that only they can train it.
func (s *shardStates) stays(shard int) bool {
	return s.size > 0 && !s.travels && !s.current[shard].IsZero()
}

// serves returns the shards that a worker can train in this round: those that it serves, but of the ones whose states stay
// with workers only those that it has.
func (o *owner) serves(p *participant) (round.ShardSet, error) {
	if o.states.size == 0 || o.states.travels {
		return p.serves, nil
	}
	var can []round.Range
	for k := range len(o.job.Shards) {
		has := !o.states.stays(k) || p.states[wire.ShardState{Shard: k, Hash: o.states.current[k]}]
		if has && p.serves.Contains(k) {
			can = append(can, round.Range{First: k, Last: k})
		}
	}
	return round.NewShardSet(can...)
}

// commit notes the states that a committed round has made, and who has them.
func (s *shardStates) commit(rec record.Round, cur *currentRound) {
	for i, hash := range rec.ShardStates {
		k := rec.Participants[i]
		s.current[k] = hash
		if p := cur.by[k]; p != nil && !s.travels {
			p.states[wire.ShardState{Shard: k, Hash: hash}] = true
		}
	}
	s.fresh = nil
}

// lost is what follows when nobody who has the states of shards comes: their error, or a fresh start of these shards.
func (o *owner) lost(reason string) error {
	var missing []int
	for _, k := range o.current.shards() {
		if !o.states.stays(k) || o.current.facts[k].Steps > 0 {
			continue
		}
		held := slices.ContainsFunc(o.readyWorkers(), func(p *participant) bool {
			return p.session.serves.Contains(k) && p.states[wire.ShardState{Shard: k, Hash: o.states.current[k]}]
		})
		if !held {
			missing = append(missing, k)
		}
	}
	if len(missing) == 0 {
		return fmt.Errorf("%w in round %d: %s", errGivenUp, o.current.number, reason)
	}
	if o.spec.OnStateLost == spec.FailWithoutState {
		return &failure{fmt.Sprintf("the workers that have the states of shards %v did not come within %v (state_deadline) in round %d; "+
			"on_state_lost: fresh starts such shards afresh", missing, o.spec.StateDeadline, o.current.number)}
	}
	for _, k := range missing {
		delete(o.states.current, k)
	}
	o.states.fresh = append(o.states.fresh, missing...)
	slices.Sort(o.states.fresh)
	o.log.Warn("states of shards are lost, they start afresh", "round", o.current.number, "shards", missing)
	return errPlanAnew
}

// errPlanAnew says that the round has to be planned again.
var errPlanAnew = errors.New("the round is planned anew")

// split parts a payload into update and states, and checks that each state is the one that the push names.
func (s *shardStates) split(p *wire.Push, payload staged) error {
	n := s.pushBytes(1)
	r := payload.reader()
	if _, err := io.CopyN(io.Discard, r, p.Bytes-s.pushBytes(len(p.Tasks))); err != nil {
		return err
	}
	for _, t := range p.Tasks {
		hash := sha256.New()
		if n == 0 {
			continue
		}
		if _, err := io.CopyN(hash, r, n); err != nil {
			return err
		}
		if got := tensor.Hash(hash.Sum(nil)); got != t.State {
			return fmt.Errorf("%w: state_sha256 of shard %d is %s, the bytes give %s", errPayload, t.Shard, t.State, got)
		}
	}
	return nil
}

// keep writes the states of a push to the store, ahead of the round that will refer to them.
func (s *shardStates) keep(o *owner, p *wire.Push, payload staged) error {
	if s.pushBytes(1) == 0 {
		return nil
	}
	o.keeping.Lock()
	defer o.keeping.Unlock()
	r := payload.reader()
	if _, err := io.CopyN(io.Discard, r, p.Bytes-s.pushBytes(len(p.Tasks))); err != nil {
		return err
	}
	var raw bytes.Buffer
	var values []float32
	for _, t := range p.Tasks {
		read := 0
		next := func(from, to int) ([]float32, error) {
			raw.Reset()
			if _, err := io.CopyN(&raw, r, 4*int64(to-from)); err != nil {
				return nil, err
			}
			read = to
			values = slices.Grow(values[:0], to-from)[:to-from]
			tensor.Decode(values, raw.Bytes())
			return values, nil
		}
		if err := o.c.store.WriteState(o.run.ID, t.State, s.size, next); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, r, 4*int64(s.size-read)); err != nil { // of one that was there already
			return err
		}
	}
	return nil
}
