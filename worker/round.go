package worker

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// round is a round that the worker has tasks or results of. There is one at a time, but in asynchronous runs, where tasks of
// earlier rounds go on beside those of the newest.
type round struct {
	wire.Key
	start   tensor.Hash
	over    bool // another has begun; what comes back of this one is dropped
	settled bool // the coordinator has spoken of it in this session, so it has judged what was offered

	tasks   []task           // not begun, in the order of Assign
	running map[int]*attempt // by shard: being trained, or trained and not added yet
	adders  []*attempt       // trained, waiting for a sum to be added to

	pending *result   // the sum that collects; nil: none
	unsent  []*result // whole results to be pushed, the oldest first
	pushing *result   // with the pusher
	merging *result   // acknowledged, about to be merged into held
	held    *result   // all that was acknowledged, in one sum

	alone int // results of one update each that are alive, where the coordinator takes no sums
}

func newRound(m wire.Assign) *round {
	return &round{Key: m.Key, start: m.Start, running: map[int]*attempt{}}
}

// detach forgets what belongs to a session.
func (r *round) detach() {
	r.settled, r.tasks = false, nil
	if r.held != nil {
		r.held.offered = false
	}
}

// revoke stops all attempts.
func (r *round) revoke() {
	for _, at := range r.running {
		at.revoke()
	}
}

// results returns everything that is held and not void.
func (r *round) results() []*result {
	all := append([]*result{r.held, r.merging, r.pushing}, r.unsent...)
	all = append(all, r.pending)
	return slices.DeleteFunc(all, func(res *result) bool { return res == nil || res.void })
}

// remove takes a result out of the round, except out of the pusher's hand.
func (r *round) remove(res *result) {
	switch res {
	case r.held:
		r.held = nil
	case r.merging:
		r.merging = nil
	case r.pending:
		r.pending = nil
	}
	r.unsent = slices.DeleteFunc(r.unsent, func(o *result) bool { return o == res })
}

// offer lists the results for RunReady.
func (r *round) offer() []wire.Holding {
	var all []wire.Holding
	for _, res := range r.results() {
		if len(res.tasks) == 0 {
			continue
		}
		res.offered = true
		all = append(all, wire.Holding{Round: r.Round, Start: r.start, Shards: res.shards()})
	}
	return all
}

// current returns the round that a message speaks of, nil if the worker knows nothing of it.
func (a *agent) current(key wire.Key) *round {
	if a.run == nil {
		return nil
	}
	for _, r := range a.run.rounds {
		if r.Key == key {
			return r
		}
	}
	return nil
}

// endRounds ends the rounds that are over when this assignment comes.
func (a *agent) endRounds(m wire.Assign) {
	for _, r := range slices.Clone(a.run.rounds) {
		same := r.Key == m.Key && r.start == m.Start
		if !same && (m.OpenFrom == 0 || r.Round < m.OpenFrom || r.Key == m.Key) {
			a.endRound(r)
		}
	}
}

// endRound drops a round with everything in it.
func (a *agent) endRound(r *round) {
	r.over = true
	r.revoke()
	a.releaseRevoked(r)
	for _, res := range r.results() {
		a.drop(res)
	}
	a.run.rounds = slices.DeleteFunc(a.run.rounds, func(o *round) bool { return o == r })
}

// alone is how many results of one update each are alive in all rounds.
func (r *run) alone() (n int) {
	for _, round := range r.rounds {
		n += round.alone
	}
	return n
}

// assign queues the tasks of a round, and begins the round if it is a new one.
func (a *agent) assign(m wire.Assign) {
	run := a.run
	if run == nil || !run.ready || run.announced.Run != m.Run || m.Round < 1 {
		for _, t := range m.Tasks {
			a.say(wire.TaskFailed{Key: m.Key, Shard: t.Shard, Reason: fmt.Sprintf("%v is not open at this worker", m.Key)})
		}
		return
	}
	a.endRounds(m)
	r := a.current(m.Key)
	if r == nil {
		r = newRound(m)
		run.rounds, run.latest = append(run.rounds, r), tensor.Hash{}
		slices.SortFunc(run.rounds, func(a, b *round) int { return cmp.Compare(a.Round, b.Round) })
	}
	r.settled = true
	again := make(map[int]bool)
	for _, t := range m.Tasks {
		again[t.Shard] = r.running[t.Shard] == nil
	}
	a.sayDropped(r, a.forget(r, again), "in a sum with a shard that was assigned again")
	for _, t := range m.Tasks {
		a.enqueue(r, task{Task: t, sum: m.Sum})
	}
}

func (a *agent) enqueue(r *round, t task) {
	waits := func(o task) bool { return o.Shard == t.Shard }
	switch shards := len(a.run.gear.job.Shards); {
	case t.Shard >= shards:
		a.failTask(r, t.Shard, fmt.Sprintf("the run has %d shards", shards))
	case !a.cfg.serves(t.Shard) || !a.run.has(t.Shard):
		a.failTask(r, t.Shard, "this worker does not serve the shard")
	case !a.run.gear.makesState(t.State):
		a.failTask(r, t.Shard, "the shards of this run have no states")
	case r.running[t.Shard] == nil && !slices.ContainsFunc(r.tasks, waits):
		r.tasks = append(r.tasks, t)
	}
}

// failTask reports a task that another worker may be able to do.
func (a *agent) failTask(r *round, shard int, reason string) {
	a.log.Warn("a task failed", "key", r.Key, "shard", shard, "why", reason)
	if !r.over && a.run.ready {
		a.say(wire.TaskFailed{Key: r.Key, Shard: shard, Reason: reason})
	}
}

// flush wants everything pushed that is trained.
func (a *agent) flush(m wire.Flush) {
	r := a.current(m.Key)
	if r == nil {
		return
	}
	r.settled = true
	if r.pending != nil {
		r.pending.wanted = true
	}
}

// abandon forgets tasks and results. Where they were part of a sum, its other shards are dropped.
func (a *agent) abandon(m wire.Abandon) {
	r := a.current(m.Key)
	if r == nil {
		return
	}
	gone := make(map[int]bool, len(m.Shards))
	for _, s := range m.Shards {
		gone[s] = true
		a.run.ends.remove(a.run.gear, endKey{r.Round, r.start, s})
		if at := r.running[s]; at != nil {
			at.revoke()
		}
	}
	r.tasks = slices.DeleteFunc(r.tasks, func(t task) bool { return gone[t.Shard] })
	a.releaseRevoked(r)
	// The abandoned shards are named too: a Trained that was on its way may have claimed them again for this worker.
	a.sayDropped(r, append(a.forget(r, gone), m.Shards...), "abandoned, or in a sum with a shard that was")
}

// forget makes the results void that contain any of the shards, and returns the other shards in them.
func (a *agent) forget(r *round, gone map[int]bool) (rest []int) {
	for _, res := range r.results() {
		if !res.hasAny(gone) {
			continue
		}
		for _, s := range res.shards() {
			if !gone[s] {
				rest = append(rest, s)
			}
		}
		r.remove(res)
		a.drop(res)
	}
	return rest
}

func (a *agent) sayDropped(r *round, shards []int, why string) {
	if len(shards) == 0 || !a.run.ready {
		return
	}
	slices.Sort(shards)
	a.say(wire.Dropped{Key: r.Key, Shards: slices.Compact(shards), Reason: why})
}
