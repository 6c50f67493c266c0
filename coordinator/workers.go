package coordinator

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fedrelu/fedrelu/coordinator/async"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

func closeRun(id string) wire.ToWorker { return wire.CloseRun{Run: id} }

// tellOver tells all workers that a run has ended for good. It must be stored that it has: whoever hears it forgets what a run
// that is resumed would need.
func (c *Coordinator) tellOver(id string) {
	c.mu.Lock()
	sessions := slices.Collect(maps.Values(c.sessions))
	c.mu.Unlock()
	for _, s := range sessions {
		c.tell(s, wire.CloseRun{Run: id, Over: true})
	}
}

// answerKept tells a new worker which of the runs that it keeps states of have ended for good.
func (c *Coordinator) answerKept(s *Session) {
	for _, id := range s.Hello.Kept {
		if r, err := c.store.Run(id); err == nil && r.Status.Final() {
			c.tell(s, wire.CloseRun{Run: id, Over: true})
		}
	}
}

// onJoined tells a new worker of the run. A session that joins twice is known already.
func (o *owner) onJoined(s *Session) error {
	if o.workers[s.ID] != nil {
		return nil
	}
	o.workers[s.ID] = &participant{session: s, serves: s.serves, states: make(map[wire.ShardState]bool)}
	o.c.tell(s, wire.StartRun{
		Run: o.run.ID, Spec: o.run.Spec, Layout: o.run.Layout, Data: shard.Fingerprint(o.run.Data),
		Own: o.recorded(s),
	})
	return nil
}

func (o *owner) onLeft(s *Session, why error) error {
	if o.workers[s.ID] == nil {
		return nil
	}
	delete(o.workers, s.ID)
	if o.pending != nil {
		o.pending.lose(s.ID)
		o.askForDrift()
		if err := o.settleMeasurement(); err != nil {
			return err
		}
	}
	if o.scores != nil {
		o.scores.lose(s.ID)
		o.askForScores()
	}
	if o.async != nil {
		return o.stepAsync(async.Lost{ID: s.ID, Why: why.Error()})
	}
	return o.step(round.Lost{ID: s.ID, Why: why.Error()})
}

// onMessage takes what a worker says about this run; what it says about others is of the past.
func (o *owner) onMessage(s *Session, m wire.FromWorker) error {
	p := o.workers[s.ID]
	if p == nil {
		return nil
	}
	switch m := m.(type) {
	case wire.RunReady:
		if m.Run == o.run.ID && p.state == announced {
			return o.onReady(p, m)
		}
	case wire.RunRefused:
		if m.Run == o.run.ID {
			p.state, p.reason = refused, m.Reason
			o.log.Error("worker cannot take part", "worker", p.name(), "why", m.Reason)
		}
	case wire.DriftSample:
		return o.onSample(p, m)
	case wire.DriftFailed:
		return o.onDriftFailed(p, m)
	case wire.Studied:
		return o.onStudied(p, m)
	case wire.StudyFailed:
		return o.onStudyFailed(p, m)
	case wire.Scored:
		return o.onScored(p, m)
	case wire.ScoreFailed:
		return o.onScoreFailed(p, m)
	default:
		return o.onTaskMessage(p, m)
	}
	return nil
}

// onTaskMessage passes what happened to tasks of the current round to the machine.
func (o *owner) onTaskMessage(p *participant, m wire.FromWorker) error {
	if o.async != nil {
		return o.onAsyncMessage(p, m)
	}
	id := p.session.ID
	switch m := m.(type) {
	case wire.Trained:
		if o.isCurrent(m.Key) {
			return o.step(round.Trained{ID: id, Shards: m.Shards})
		}
	case wire.Dropped:
		if o.isCurrent(m.Key) {
			return o.step(round.Dropped{ID: id, Shards: m.Shards, Why: m.Reason})
		}
	case wire.TaskFailed:
		if o.isCurrent(m.Key) {
			o.log.Warn("task failed", "worker", p.name(), "round", m.Round, "shard", m.Shard, "why", m.Reason)
			return o.step(round.Refused{ID: id, Shards: []int{m.Shard}, Why: m.Reason})
		}
	case wire.Diverged:
		if o.isCurrent(m.Key) {
			return o.onDiverged(p, m)
		}
	default:
		return fmt.Errorf("message of type %T from worker %s", m, p.name())
	}
	return nil
}

func (o *owner) onDiverged(p *participant, m wire.Diverged) error {
	if o.current.holds(m.Shard) {
		o.current.diverged = append(o.current.diverged, record.Diverged{Shard: m.Shard, Step: int64(m.Step), Detail: m.Detail})
	}
	return o.step(round.Diverged{ID: p.session.ID, Shard: m.Shard, Step: m.Step, Detail: m.Detail})
}

// onReady takes a worker into the run after comparing its data.
func (o *owner) onReady(p *participant, m wire.RunReady) error {
	if err := errors.Join(o.adoptData(m.Data), o.adoptOwn(p, m.Own)); err != nil {
		p.state, p.reason = refused, err.Error()
		o.log.Error("worker has other data", "worker", p.name(), "why", err)
		return nil
	}
	p.state = ready
	for _, s := range m.States {
		p.states[s] = true
	}
	o.askForDrift()
	if err := o.settleMeasurement(); err != nil {
		return err
	}
	o.askForScores()
	if o.async != nil {
		return o.onAsyncReady(p, m.Holding)
	}
	if o.current == nil {
		return nil // the next round takes in whoever is ready; nobody holds results of a round that has not begun
	}
	events, err := o.joinEvents(p, m.Holding)
	if err != nil {
		return err
	}
	return o.step(events...)
}

// adoptData compares a worker's data with the run's, and takes over the arrays that only workers have.
func (o *owner) adoptData(theirs shard.Fingerprint) error {
	ours := shard.Fingerprint(o.run.Data)
	if err := ours.Check(theirs); err != nil {
		return err
	}
	adopted := ours
	for _, a := range []struct{ dst, src *tensor.Hash }{{&adopted.TrainX, &theirs.TrainX}, {&adopted.TrainY, &theirs.TrainY}} {
		if a.dst.IsZero() {
			*a.dst = *a.src
		}
	}
	if adopted == ours {
		return nil
	}
	o.run.Data = record.Data(adopted)
	if err := o.c.store.AdoptData(o.run.ID, o.run.Data); err != nil {
		return fmt.Errorf("recording the data's fingerprint: %w", err)
	}
	return nil
}

// joinEvents are what the machine has to hear of a worker that is ready.
func (o *owner) joinEvents(p *participant, holding []wire.Holding) ([]round.Event, error) {
	serves, err := o.serves(p)
	if err != nil {
		return nil, err
	}
	events := []round.Event{round.Joined{Worker: round.Worker{
		ID: p.session.ID, Name: p.name(), Slots: p.session.Hello.Slots, Serves: serves,
	}}}
	for _, h := range holding {
		if h.Round == o.current.number && h.Start == o.start.hash {
			events = append(events, round.Holds{ID: p.session.ID, Shards: h.Shards})
		}
	}
	return events, nil
}

// readyWorkers returns the workers that take part, in the order of their sessions.
func (o *owner) readyWorkers() []*participant {
	var all []*participant
	for _, p := range o.workers {
		if p.state == ready {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *participant) int { return int(a.session.ID) - int(b.session.ID) })
	return all
}
