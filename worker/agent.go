package worker

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// maxQueue bounds the messages that wait to be sent: with so many the agent does not listen to the coordinator.
const maxQueue = 1024

// agent owns the state of a worker. Its goroutine applies one event after the other and then advances everything that can
// be: what to do next follows from the state alone.
type agent struct {
	cfg *Config
	log *slog.Logger

	events chan event    // from the hands
	inbox  chan event    // from the session: up, said, down
	done   chan struct{} // closed when the agent is gone

	slots                 []*slot
	pusher, fetcher, load *hand

	link   *link             // nil between sessions
	queue  []wire.FromWorker // to be sent in this session
	loader *loader
	gear   *gear    // of the last job; nil: none
	left   []string // runs whose states of shards are not needed here any more
	run    *run     // nil: none is announced
}

func newAgent(cfg *Config, states string) *agent {
	a := &agent{
		cfg: cfg, log: cfg.Logger,
		events: make(chan event), inbox: make(chan event), done: make(chan struct{}),
		pusher: newHand(), fetcher: newHand(), load: newHand(),
		loader: &loader{root: cfg.Data, served: cfg.serves, must: len(cfg.Shards) > 0, file: states, kept: &keptRuns{}},
	}
	team := kernel.NewTeam(cfg.Slots)
	for range cfg.Slots {
		s := &slot{hand: newHand()}
		s.hand.team = team
		a.slots = append(a.slots, s)
	}
	return a
}

func (a *agent) hands() []*hand {
	all := []*hand{a.pusher, a.fetcher, a.load}
	for _, s := range a.slots {
		all = append(all, s.hand)
	}
	return all
}

// report brings a hand's event to the agent, or drops it when the agent is gone.
func (a *agent) report(e event) {
	select {
	case a.events <- e:
	case <-a.done:
	}
}

// inform is report for a session; false: the agent is gone.
func (a *agent) inform(e event) bool {
	select {
	case a.inbox <- e:
		return true
	case <-a.done:
		return false
	}
}

// work is the agent's goroutine.
func (a *agent) work(ctx context.Context) {
	for ctx.Err() == nil {
		a.advance()
		a.step(ctx)
	}
	a.stop()
	close(a.done)
	for _, h := range a.hands() {
		close(h.orders)
	}
}

// step waits for the next thing to happen.
func (a *agent) step(ctx context.Context) {
	inbox := a.inbox
	var outbox chan wire.FromWorker
	var next wire.FromWorker
	var mute <-chan struct{}
	if a.link != nil && len(a.queue) > 0 {
		outbox, next, mute = a.link.outbox, a.queue[0], a.link.mute
		if len(a.queue) >= maxQueue {
			inbox = nil
		}
	}
	select {
	case <-ctx.Done():
	case e := <-a.events:
		e.apply(a)
	case e := <-inbox:
		e.apply(a)
	case outbox <- next:
		a.queue = slices.Delete(a.queue, 0, 1)
	case <-mute:
		a.queue = nil // nobody will send it; the session's end may wait behind a message in the inbox
	}
}

// advance starts whatever the state allows. Its order matters twice: a push goes before the next addition, lest the sum be
// always in use, and measurements before tasks.
func (a *agent) advance() {
	a.loadRun()
	a.forgetRuns()
	a.answerStart()
	a.pushNext()
	a.addNext()
	a.dispatch()
	a.sweepModels()
}

// stop ends everything between two steps: tasks are cancelled, a push gets a moment to arrive whole, the last messages are
// left to the session.
func (a *agent) stop() {
	if a.run != nil {
		a.run.cancel()
	}
	patience := time.NewTimer(pushGrace)
	defer patience.Stop()
	for a.pusher.busy || slices.ContainsFunc(a.slots, func(s *slot) bool { return s.hand.busy }) {
		select {
		case e := <-a.events:
			e.apply(a)
		case <-patience.C:
			a.cancelPush()
		}
	}
	for a.link != nil && len(a.queue) > 0 && len(a.link.outbox) < cap(a.link.outbox) {
		a.link.outbox <- a.queue[0]
		a.queue = a.queue[1:]
	}
}

// say queues a message for this session; between sessions it is lost, because the next one starts afresh.
func (a *agent) say(m wire.FromWorker) {
	if a.link != nil {
		a.queue = append(a.queue, m)
	}
}

// sayTrained reports a task, in one message with others that nobody has taken from the queue yet.
func (a *agent) sayTrained(key wire.Key, shard int) {
	if n := len(a.queue); n > 0 {
		if last, ok := a.queue[n-1].(wire.Trained); ok && last.Key == key {
			at, found := slices.BinarySearch(last.Shards, shard)
			if !found {
				last.Shards = slices.Insert(last.Shards, at, shard)
				a.queue[n-1] = last
			}
			return
		}
	}
	a.say(wire.Trained{Key: key, Shards: []int{shard}})
}
