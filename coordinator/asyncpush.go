package coordinator

import (
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/coordinator/async"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// onAsyncOffer checks a push's header. What comes while no round is open waits for the next one.
func (o *owner) onAsyncOffer(e offer) error {
	reply, start, verdict := o.judgeAsync(e.session, e.push)
	switch verdict {
	case waits:
		o.async.waiting = append(o.async.waiting, e)
		return nil
	case welcome:
		e.answer <- offerAnswer{grid: start.grid}
		return nil
	}
	e.answer <- offerAnswer{reply: reply}
	return o.releaseAsync(e.session, e.push, reply)
}

// judgement is what follows of a push.
type judgement int

const (
	unwelcome judgement = iota
	waits
	welcome
)

// judgeAsync tells whether a push may count now, with what it has to have started from, and the reply if it never will.
func (o *owner) judgeAsync(s *Session, p *wire.Push) (wire.PushReply, startVersion, judgement) {
	refuse := func(format string, args ...any) (wire.PushReply, startVersion, judgement) {
		return wire.PushReply{Verdict: wire.Refused, Reason: fmt.Sprintf(format, args...)}, startVersion{}, unwelcome
	}
	switch {
	case o.workers[s.ID] == nil:
		return refuse("the worker has not joined the run")
	case p.Sum || len(p.Tasks) != 1:
		return refuse("a push of %d tasks, the rule %s needs each update alone", len(p.Tasks), o.algorithm.Rule.Name())
	case p.Tasks[0].Shard >= len(o.job.Shards) || p.Round < 1:
		return refuse("there is no task of shard %d in round %d", p.Tasks[0].Shard, p.Round)
	case o.async.machine == nil || o.current == nil:
		return wire.PushReply{}, startVersion{}, waits
	}
	late := func(err error) (wire.PushReply, startVersion, judgement) {
		return wire.PushReply{Verdict: wire.Late, Reason: err.Error()}, startVersion{}, unwelcome
	}
	switch err := o.async.machine.Accepts(s.ID, taskOf(p)); {
	case errors.Is(err, async.ErrFull):
		return wire.PushReply{}, startVersion{}, waits
	case errors.Is(err, async.ErrDone):
		return wire.PushReply{Verdict: wire.Duplicate, Reason: err.Error()}, startVersion{}, unwelcome
	case errors.Is(err, async.ErrOld), errors.Is(err, async.ErrUnwanted), errors.Is(err, async.ErrAhead):
		return late(err)
	case err != nil:
		return refuse("%v", err)
	}
	start, err := o.startOf(versionOf(p.Key))
	if err != nil {
		return late(fmt.Errorf("the model of round %d is gone: %w", versionOf(p.Key), err))
	}
	if err := o.checkAsyncHeader(p, start); err != nil {
		return refuse("%v", err)
	}
	return wire.PushReply{}, start, welcome
}

func taskOf(p *wire.Push) async.Task {
	return async.Task{Version: versionOf(p.Key), Shard: p.Tasks[0].Shard}
}

// checkAsyncHeader compares what a push was computed from with what its task starts from.
func (o *owner) checkAsyncHeader(p *wire.Push, start startVersion) error {
	t, layout := p.Tasks[0], start.grid.Layout().Fingerprint()
	switch {
	case p.Layout != layout:
		return fmt.Errorf("layout_fingerprint is %s, the run's is %s", p.Layout, layout)
	case p.Start != start.model.hash:
		return fmt.Errorf("start_sha256 is %s, the model of round %d is %s", p.Start, versionOf(p.Key), start.model.hash)
	case p.Bytes != start.grid.UpdateBytes():
		return fmt.Errorf("payload_bytes is %d, want %d", p.Bytes, start.grid.UpdateBytes())
	case t.Weight != o.async.buffer.Share(t.Shard):
		return fmt.Errorf("weight of shard %d is %d, want %d", t.Shard, t.Weight, o.async.buffer.Share(t.Shard))
	case !t.State.IsZero():
		return fmt.Errorf("state_sha256 of shard %d is %v, shards have no states", t.Shard, t.State)
	}
	return nil
}

// onAsyncDelivery counts an update that is whole and checked, if it is still welcome.
func (o *owner) onAsyncDelivery(e delivery) error {
	reply, start, verdict := o.judgeAsync(e.session, e.push)
	switch verdict {
	case waits:
		o.async.waiting = append(o.async.waiting, e)
		return nil
	}
	defer e.release()
	if verdict == unwelcome {
		e.answer <- reply
		return o.releaseAsync(e.session, e.push, reply)
	}
	task, p := taskOf(e.push), o.workers[e.session.ID]
	if err := o.async.buffer.AddFrom(localsgd.Arrival(task), start.model.travels, e.payload()); err != nil {
		e.answer <- wire.PushReply{Verdict: wire.Late, Reason: "the coordinator failed"}
		return fmt.Errorf("adding %v in round %d: %w", task, o.current.number, err)
	}
	o.async.arrived[task] = arrived{e.push.Tasks[0], p}
	o.current.clock.pushed(p, e.push, e.seconds)
	e.answer <- wire.PushReply{Verdict: wire.Counted}
	return o.stepAsync(async.Answered{ID: e.session.ID, Task: task})
}

// releaseAsync tells the machine of a push that does not count: its worker forgets it.
func (o *owner) releaseAsync(s *Session, p *wire.Push, reply wire.PushReply) error {
	if o.workers[s.ID] == nil || p.Run != o.run.ID || p.Round < 1 {
		return nil
	}
	var events []async.Event
	for _, k := range p.Shards() {
		task := async.Task{Version: versionOf(p.Key), Shard: k}
		switch reply.Verdict {
		case wire.Refused:
			o.log.Warn("push refused", "worker", s.Hello.Name, "task", task, "why", reply.Reason)
			events = append(events, async.Refused{ID: s.ID, Task: task, Why: reply.Reason})
		case wire.Late:
			events = append(events, async.Dropped{ID: s.ID, Task: task, Why: reply.Reason})
		}
	}
	return o.stepAsync(events...)
}
