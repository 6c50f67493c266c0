package coordinator

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fedrelu/fedrelu/coordinator/async"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// asyncRun is what the owner of a run with an asynchronous rule has instead of plans: tasks of several start models are under
// way at once, so its machine lives as long as the run. Like all of the owner it belongs to the goroutine of work.
type asyncRun struct {
	rule     localsgd.Asynchronous
	buffer   *localsgd.Buffer
	machine  *async.Machine       // nil until the first round of this sitting is opened
	starts   map[int]startVersion // by round: the newest model, and the older ones that tasks started from
	waiting  []any                // offers and deliveries that came while no round was open
	closed   *async.Close         // of the round at hand
	arrived  map[async.Task]arrived
	diverged []record.Diverged // since the last record was made
}

// startVersion is a model that tasks start from, and the grid that their updates are checked on.
type startVersion struct {
	model *model
	grid  *localsgd.Grid
}

// arrived is an update that was counted.
type arrived struct {
	facts wire.PushedTask
	by    *participant
}

// newAsyncRun returns nil for a rule whose rounds are planned.
func newAsyncRun(job *localsgd.Job, a localsgd.Algorithm) (*asyncRun, error) {
	rule, is := a.Rule.(localsgd.Asynchronous)
	if !is {
		return nil, nil
	}
	buffer, err := localsgd.NewBuffer(job, a)
	if err != nil {
		return nil, err
	}
	return &asyncRun{rule: rule, buffer: buffer, starts: make(map[int]startVersion)}, nil
}

// keep is a run's rule of retention: where rounds are asynchronous an update may start from any of the last models.
func keep(s *spec.Spec) record.Keep {
	k := record.Keep(s.Keep)
	if rule, is := s.Server.(localsgd.Asynchronous); is {
		k.Last = max(k.Last, rule.Oldest()+1)
	}
	return k
}

// versionOf returns the version that a round's tasks start from: they are named by the round after it.
func versionOf(k wire.Key) int { return k.Round - 1 }

// startOf returns the model of a round, from the store if no running task holds it in memory. The rule broadcasts nothing, so
// that a model is all that travels.
func (o *owner) startOf(version int) (startVersion, error) {
	if s, there := o.async.starts[version]; there {
		return s, nil
	}
	r, _, err := o.c.store.Round(o.run.ID, version)
	if err != nil {
		return startVersion{}, err
	}
	m := o.c.models.hold(r.Model)
	if m == nil {
		block := o.c.models.block(o.job.Net.Parameters())
		if err := o.c.store.ReadModel(o.run.ID, r.Model, block); err != nil {
			o.c.models.giveBack(block)
			return startVersion{}, err
		}
		m = o.c.models.publish(r.Model, block, len(block))
	}
	s := startVersion{m, localsgd.NewGrid(o.job.Layout(), m.travels)}
	o.async.starts[version] = s
	return s, nil
}

// hashOf returns the hash of the model of a round, zero if it is not known.
func (o *owner) hashOf(version int) tensor.Hash {
	if s, there := o.async.starts[version]; there {
		return s.model.hash
	}
	r, _, err := o.c.store.Round(o.run.ID, version)
	if err != nil {
		return tensor.Hash{}
	}
	return r.Model
}

// letGo releases the models that no task starts from any more.
func (a *asyncRun) letGo(newest int) {
	running := a.machine.Running()
	for version, s := range a.starts {
		if _, needed := slices.BinarySearch(running, version); !needed && version != newest {
			s.model.release()
			delete(a.starts, version)
		}
	}
}

// leave answers who waits for a round that will not come, and lets go of all models.
func (o *owner) leaveAsync() {
	for _, e := range o.async.waiting {
		o.turnDown(e)
	}
	o.async.waiting = nil
	for _, s := range o.async.starts {
		s.model.release()
	}
	clear(o.async.starts)
}

// drawn returns the tasks that may begin in a round, in the order that its key gives.
func (o *owner) drawn(number int) []async.Task {
	order := keyed.New(o.job.Seed, "async order", uint64(number)).Perm(len(o.job.Shards))
	tasks := make([]async.Task, len(order))
	for i, k := range order {
		tasks[i] = async.Task{Version: number - 1, Shard: int(k)}
	}
	return tasks
}

// counted returns the tasks that have counted before a round and could come again.
func (o *owner) counted(number int) ([]async.Task, error) {
	var tasks []async.Task
	for before := max(1, number-o.async.rule.Oldest()); before < number; before++ {
		r, _, err := o.c.store.Round(o.run.ID, before)
		if err != nil {
			return nil, fmt.Errorf("reading what counted in round %d: %w", before, err)
		}
		tasks = append(tasks, tasksOf(r)...)
	}
	return tasks, nil
}

func tasksOf(r record.Round) []async.Task {
	tasks := make([]async.Task, len(r.Arrivals))
	for i, a := range r.Arrivals {
		tasks[i] = async.Task{Version: a.Start, Shard: a.Shard}
	}
	return tasks
}

// asyncPlan is what the machine has to know of the spec.
func (o *owner) asyncPlan() async.Plan {
	p := async.Plan{
		Capacity: o.async.rule.Capacity(), Oldest: o.async.rule.Oldest(), Tasks: o.spec.Participation.Size(len(o.job.Shards)),
		Policy: async.Policy{GiveUp: o.spec.GiveUp, TaskLimit: o.spec.TaskLimit},
	}
	if o.spec.OnDivergence == spec.Continue {
		p.OnDivergence = round.LeaveOutShard
	}
	return p
}

// recordAsync says of a closed round all that does not depend on time.
func (o *owner) recordAsync(made hashes) record.Round {
	a := o.async
	rec := record.Round{
		Number: o.current.number, CloseReason: a.closed.Reason, Diverged: a.diverged,
		StartModel: o.last.Model, Model: made.model, RuleState: made.state,
	}
	a.diverged = nil
	byWorker := make(map[string][]int)
	for _, t := range a.closed.Counted {
		from := a.arrived[t]
		rec.Arrivals = append(rec.Arrivals, record.Arrival{Start: t.Version, Shard: t.Shard})
		rec.Participants = append(rec.Participants, t.Shard)
		rec.Weights = append(rec.Weights, uint64(a.buffer.Counts(localsgd.Arrival(t))))
		rec.Examples += int64(from.facts.Examples)
		rec.Steps += int64(from.facts.Steps)
		byWorker[from.by.name()] = append(byWorker[from.by.name()], t.Shard)
	}
	for _, d := range a.closed.Discarded {
		rec.Discarded = append(rec.Discarded, record.Discarded{Arrival: record.Arrival{Start: d.Task.Version, Shard: d.Task.Shard}, Reason: d.Why})
	}
	for _, name := range slices.Sorted(maps.Keys(byWorker)) {
		shards := byWorker[name]
		slices.Sort(shards)
		rec.Workers = append(rec.Workers, record.Worker{Name: name, Shards: slices.Compact(shards)})
	}
	rec.TrainLoss = record.Number(a.trainLoss())
	return rec
}

// trainLoss is that of localsgd.AsyncRunner.Carry, which adds in the order of versions and shards.
func (a *asyncRun) trainLoss() float64 {
	var loss localsgd.LossMean
	for _, t := range slices.SortedFunc(slices.Values(a.closed.Counted), async.Task.Compare) {
		loss.Add(a.buffer.Share(t.Shard), a.arrived[t].facts.Facts)
	}
	return loss.Value()
}
