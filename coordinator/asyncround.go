package coordinator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/async"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// asyncRound makes the next round of the first updates that come in, as many as fill the buffer.
func (o *owner) asyncRound(ctx context.Context) error {
	o.say("plan", true)
	if err := o.openAsync(); err != nil {
		return err
	}
	o.say("train", true)
	for o.async.closed == nil {
		wake, _ := o.async.machine.Wake()
		if err := o.next(ctx, wake); err != nil {
			return err
		}
	}
	if o.current.replayed != nil {
		return o.finishReplay(ctx)
	}
	return o.finish(ctx)
}

// openAsync opens the round after the last one, or the next one that is made again of its recorded updates.
func (o *owner) openAsync() error {
	a := o.async
	cur := &currentRound{number: o.last.Number + 1, clock: newRoundClock(o.c)}
	opened := async.Opened{}
	if len(o.replay) > 0 {
		cur.replayed = &o.replay[0]
		cur.number = cur.replayed.Number
		opened.Candidates, opened.Only = tasksOf(*cur.replayed), true
	} else {
		opened.Candidates = o.drawn(cur.number)
	}
	opened.Round = cur.number
	cur.next = o.block()
	a.closed, a.arrived = nil, make(map[async.Task]arrived)
	a.buffer.Begin(cur.number)
	o.current = cur
	events, err := o.openingEvents(opened)
	if err != nil {
		return err
	}
	if err := o.stepAsync(events...); err != nil {
		return err
	}
	a.letGo(cur.number - 1)
	waiting := a.waiting
	a.waiting = nil
	for _, e := range waiting {
		if err := o.handle(e); err != nil {
			return err
		}
	}
	return nil
}

// openingEvents are what the machine hears when a round opens; the first one of a sitting makes it.
func (o *owner) openingEvents(opened async.Opened) ([]async.Event, error) {
	if o.async.machine != nil {
		return []async.Event{opened}, nil
	}
	var err error
	if opened.Counted, err = o.counted(opened.Round); err != nil {
		return nil, err
	}
	if o.async.machine, err = async.New(o.asyncPlan(), time.Now()); err != nil {
		return nil, fmt.Errorf("planning the run: %w", err)
	}
	events := []async.Event{opened}
	for _, p := range o.readyWorkers() {
		events = append(events, joinedAsync(p))
	}
	return events, nil
}

func joinedAsync(p *participant) async.Event {
	return async.Joined{Worker: round.Worker{ID: p.session.ID, Name: p.name(), Slots: p.session.Hello.Slots, Serves: p.serves}}
}

// stepAsync gives the machine events and carries out what it says. Before the first round it does nothing.
func (o *owner) stepAsync(events ...async.Event) error {
	if o.async.machine == nil {
		return nil
	}
	for _, a := range o.async.machine.Step(time.Now(), events...) {
		if err := o.actAsync(a); err != nil {
			return err
		}
	}
	if o.current != nil && o.async.closed == nil {
		o.say("train", false)
	}
	return nil
}

func (o *owner) keyOf(version int) wire.Key { return wire.Key{Run: o.run.ID, Round: version + 1} }

func (o *owner) actAsync(a async.Action) error {
	switch a := a.(type) {
	case async.Assign:
		return o.assignAsync(a)
	case async.Expect:
		o.tell(a.ID, wire.Flush{Key: o.keyOf(a.Task.Version)})
	case async.Abandon:
		o.log.Debug("abandon", "task", a.Task, "session", a.ID, "why", a.Why)
		o.tell(a.ID, wire.Abandon{Key: o.keyOf(a.Task.Version), Shards: []int{a.Task.Shard}})
	case async.Freed:
		o.log.Warn("a task goes to other workers", "task", a.Task, "why", a.Why)
	case async.Discarded:
		o.log.Info("a task is discarded", "task", a.Task, "why", a.Why)
	case async.LeftOut:
		o.log.Warn("run goes on without a task", "task", a.Task, "step", a.Step, "why", a.Detail)
		d := record.Diverged{Shard: a.Task.Shard, Step: int64(a.Step), Detail: fmt.Sprintf("%v: %s", a.Task, a.Detail)}
		o.async.diverged = append(o.async.diverged, d)
	case async.Close:
		o.async.closed = &a
	case async.Fail:
		return &failure{a.Reason}
	case async.GiveUp:
		return fmt.Errorf("%w in round %d: %s", errGivenUp, o.current.number, a.Reason)
	default:
		return fmt.Errorf("carrying out %T: unknown action", a)
	}
	return nil
}

func (o *owner) assignAsync(a async.Assign) error {
	start, err := o.startOf(a.Version)
	if err != nil {
		return &failure{fmt.Sprintf("round %d cannot be made: the model of round %d, which its updates start from, is gone: %v",
			o.current.number, a.Version, err)}
	}
	m := wire.Assign{
		Key: o.keyOf(a.Version), Start: start.model.hash, OpenFrom: max(1, o.current.number-o.async.rule.Oldest()),
	}
	for _, k := range a.Shards {
		m.Tasks = append(m.Tasks, wire.Task{Shard: k, Weight: o.async.buffer.Share(k)})
	}
	o.tell(a.ID, m)
	return nil
}

// onAsyncMessage passes what happened to tasks to the machine, of whatever round they are.
func (o *owner) onAsyncMessage(p *participant, m wire.FromWorker) error {
	id := p.session.ID
	var events []async.Event
	switch m := m.(type) {
	case wire.Trained:
		events = o.eachTask(m.Key, m.Shards, func(t async.Task) async.Event { return async.Trained{ID: id, Task: t} })
	case wire.Dropped:
		events = o.eachTask(m.Key, m.Shards, func(t async.Task) async.Event { return async.Dropped{ID: id, Task: t, Why: m.Reason} })
	case wire.TaskFailed:
		o.log.Warn("task failed", "worker", p.name(), "round", m.Round, "shard", m.Shard, "why", m.Reason)
		events = o.eachTask(m.Key, []int{m.Shard}, func(t async.Task) async.Event { return async.Refused{ID: id, Task: t, Why: m.Reason} })
	case wire.Diverged:
		events = o.eachTask(m.Key, []int{m.Shard}, func(t async.Task) async.Event {
			return async.Diverged{ID: id, Task: t, Step: m.Step, Detail: m.Detail}
		})
	default:
		return fmt.Errorf("message of type %T from worker %s", m, p.name())
	}
	return o.stepAsync(events...)
}

// eachTask makes events of a message's tasks; there are none of another run, or of shards that the run does not have.
func (o *owner) eachTask(k wire.Key, shards []int, event func(async.Task) async.Event) (events []async.Event) {
	for _, shard := range shards {
		if k.Run == o.run.ID && k.Round >= 1 && shard < len(o.job.Shards) {
			events = append(events, event(async.Task{Version: versionOf(k), Shard: shard}))
		}
	}
	return events
}

// onAsyncReady takes in a worker with the results that it has brought; those of another start are void.
func (o *owner) onAsyncReady(p *participant, holding []wire.Holding) error {
	events := []async.Event{joinedAsync(p)}
	for _, h := range holding {
		key := wire.Key{Run: o.run.ID, Round: h.Round}
		known := len(h.Shards) == 1 && h.Round >= 1 && h.Shards[0] < len(o.job.Shards)
		if !known || o.async.machine == nil || o.hashOf(versionOf(key)) != h.Start {
			o.tell(p.session.ID, wire.Abandon{Key: key, Shards: slices.Clone(h.Shards)})
			continue
		}
		events = append(events, async.Holds{ID: p.session.ID, Task: async.Task{Version: versionOf(key), Shard: h.Shards[0]}})
	}
	return o.stepAsync(events...)
}
