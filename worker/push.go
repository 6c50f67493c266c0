package worker

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/proto/wire"
)

// nextToPush takes the result out of its place that the pusher gets next; nil: none.
func (r *round) nextToPush() *result {
	var next *result
	switch {
	case !r.settled:
	case r.held != nil && r.held.offered: // before anything else is acknowledged, which would be merged into it
		next, r.held = r.held, nil
	case len(r.unsent) > 0:
		next = r.unsent[0]
		r.unsent = slices.Delete(r.unsent, 0, 1)
	case r.pending != nil && r.pending.wanted && r.pending.adding == nil && len(r.pending.tasks) > 0:
		next, r.pending = r.pending, nil
	}
	return next
}

// pushNext gives the pusher its next order: an acknowledged result is merged before another is pushed.
func (a *agent) pushNext() {
	if a.run == nil || a.pusher.busy {
		return
	}
	for _, r := range a.run.rounds {
		if r.merging != nil {
			a.merge(r)
			return
		}
	}
	if a.link == nil || !a.run.ready {
		return
	}
	for _, r := range a.run.rounds {
		if res := r.nextToPush(); res != nil {
			a.push(res)
			return
		}
	}
}

// push gives a result to the pusher.
func (a *agent) push(res *result) {
	res.round.pushing, res.out, res.wanted, res.offered = res, true, false, false
	ctx, cancel := context.WithCancel(a.link.ctx)
	res.cancel = cancel
	link, header, backoff := a.link, res.header(), a.cfg.Backoff
	header.Session = link.session
	a.pusher.give(func() event {
		reply, err := link.deliver(ctx, header, res, backoff)
		return pushed{link, res, reply, err}
	})
}

// deliver pushes a result, again and again while the session lasts and the network is at fault.
func (l *link) deliver(ctx context.Context, header *wire.Push, res *result, pause Backoff) (reply wire.PushReply, err error) {
	if header.SHA256, err = res.hash(); err != nil {
		return reply, err
	}
	for failures := 0; ; failures++ {
		reply, err = l.push(ctx, header, res.payload)
		if err == nil || ctx.Err() != nil || !transient(err) {
			return reply, err
		}
		pause.wait(ctx, failures)
	}
}

// cancelPush ends the push under way.
func (a *agent) cancelPush() {
	if a.run == nil {
		return
	}
	for _, r := range a.run.rounds {
		if r.pushing != nil {
			r.pushing.cancel()
		}
	}
}

// pushed tells how a push ended.
type pushed struct {
	link   *link
	result *result
	reply  wire.PushReply
	err    error
}

func (e pushed) apply(a *agent) {
	res, r := e.result, e.result.round
	res.out = false
	stopped := e.link.over()
	res.cancel()
	res.cancel = nil
	r.pushing = nil
	a.log.Debug("pushed", "key", r.Key, "tasks", len(res.tasks), "verdict", e.reply.Verdict, "err", e.err)
	switch {
	case res.void:
		a.drop(res)
	case e.err != nil && stopped:
		r.returned(res)
	case e.err != nil:
		a.refused(res, fmt.Sprintf("pushing: %v", e.err))
	case e.reply.Verdict == wire.Counted || e.reply.Verdict == wire.Duplicate:
		a.acknowledged(res)
	case e.reply.Verdict == wire.Late:
		a.drop(res)
	default: // the coordinator has taken note of it and hands the tasks out anew
		a.log.Warn("a push was refused", "key", r.Key, "shards", res.shards(), "why", e.reply.Reason)
		a.drop(res)
	}
}

// returned keeps a result whose push did not end, for the next session.
func (r *round) returned(res *result) {
	if res.acked {
		r.held = res
		return
	}
	r.unsent = slices.Insert(r.unsent, 0, res)
}

// acknowledged keeps a result that the coordinator has counted and not committed. Single updates are not kept where the
// coordinator takes no sums: that would take memory for each shard.
func (a *agent) acknowledged(res *result) {
	r := res.round
	res.acked = true
	switch {
	case res.alone:
		a.drop(res)
	case r.held == nil:
		r.held = res
	default:
		r.merging = res
	}
}

func (a *agent) refused(res *result, reason string) {
	for _, s := range res.shards() {
		a.failTask(res.round, s, reason)
	}
	a.drop(res)
}

// merge orders the acknowledged result to be added to what is held. From now on held names its shards too.
func (a *agent) merge(r *round) {
	into, from := r.held, r.merging
	r.merging = nil
	if into == nil {
		r.held = from
		return
	}
	into.take(from.tasks)
	from.tasks = nil
	into.out, from.out = true, true
	a.pusher.give(func() event { return merged{into, from, into.sum.Merge(from.sum)} })
}

// merged tells that one result is part of another.
type merged struct {
	into, from *result
	err        error
}

func (e merged) apply(a *agent) {
	e.into.out, e.from.out = false, false
	a.drop(e.from)
	if e.err != nil {
		a.log.Warn("what was acknowledged cannot be kept", "key", e.into.round.Key, "why", e.err)
		e.into.round.remove(e.into)
	}
	if e.err != nil || e.into.void {
		a.drop(e.into)
	}
}
