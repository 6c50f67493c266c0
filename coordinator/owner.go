package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/async"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// How a run ends before its last round.
var (
	errCancelled = errors.New("cancelled by an operator")
	errGivenUp   = errors.New("given up")
	errLocalOnly = errors.New("only `fedrelu run --resume` can go on with this run")
)

// failure is an error of the run itself: trying again would not help.
type failure struct{ reason string }

func (f *failure) Error() string { return f.reason }

// owner carries out one run. All fields but inbox, progress and the run's id belong to the goroutine of work.
type owner struct {
	c     *Coordinator
	log   *slog.Logger
	inbox *mailbox

	run       record.Run
	spec      *spec.Spec
	job       *localsgd.Job
	algorithm localsgd.Algorithm
	states    shardStates
	evaluator *localsgd.Evaluator // nil where the workers have the test sets
	print     shard.Fingerprint

	workers map[round.WorkerID]*participant
	current *currentRound // nil between rounds
	pending *measurement  // of the last committed round; nil: nothing is due
	replay  []record.Round
	sum     localsgd.Sum
	async   *asyncRun // nil unless the rule is asynchronous
	updates *updates  // instead of the sum, for a rule that needs all updates at once; nil otherwise
	start   *model    // of the round at hand: the last committed model
	last    record.Round
	times   round.Times // of this sitting's rounds
	offered *model      // the next start, published before its commit; nil: it is not
	scores  *evaluation // that workers carry out; nil: none
	waiting *wait       // outside rounds; nil: for nothing that has a name
	laws    laws        // that no measurement may break

	keeping     sync.Mutex // one push's states at a time are written
	background  sync.WaitGroup
	stopRanking context.CancelFunc // ends what background measures; nil: nothing was measured
	progress    progressBoard
}

// participant is a worker in the eyes of a run.
type participant struct {
	session *Session
	state   participantState
	reason  string                   // why it was refused
	states  map[wire.ShardState]bool // of shards, that lie with it
	serves  round.ShardSet
	parts   map[int]shard.Part // that it has brought, where workers bring their own shards
}

type participantState int

const (
	announced participantState = iota // has been told of the run
	ready                             // has the data and the network
	refused                           // cannot take part
)

func (p *participant) name() string { return p.session.Hello.Name }

// execute carries out a queued run to an end, and records how it ended. Its error is one of the store.
func (c *Coordinator) execute(ctx context.Context, run record.Run) error {
	began := time.Now()
	err := c.store.Update(run.ID, func(r *record.Run) error {
		r.Status, r.Reason, r.Ended = record.Running, "", time.Time{}
		if r.Started.IsZero() {
			r.Started = began
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("starting run %s: %w", run.ID, err)
	}
	o := &owner{
		c: c, log: c.log.With("run", run.ID), inbox: newMailbox(), run: run,
		workers: make(map[round.WorkerID]*participant),
	}
	ctx, stop := context.WithCancel(ctx)
	err = o.work(ctx)
	stop()
	if o.stopRanking != nil {
		o.stopRanking()
	}
	o.background.Wait()
	o.leave()
	status, reason := o.outcome(err)
	o.log.Log(context.WithoutCancel(ctx), levelOf(status), "run ended", "status", status, "reason", reason, "round", o.last.Number)
	err = c.store.Update(run.ID, func(r *record.Run) error {
		r.Wall += time.Since(began)
		r.Status, r.Reason, r.Ended = status, reason, time.Now()
		return nil
	})
	c.changed.fire()
	if err != nil {
		return fmt.Errorf("ending run %s: %w", run.ID, err)
	}
	if status.Final() {
		c.tellOver(run.ID)
	}
	return nil
}

func levelOf(s record.Status) slog.Level {
	if s == record.Failed {
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (o *owner) outcome(err error) (record.Status, string) {
	var failed *failure
	switch {
	case err == nil:
		return record.Completed, o.completion()
	case errors.Is(err, errCancelled):
		return record.Cancelled, err.Error()
	case errors.Is(err, errGivenUp) || errors.Is(err, errLocalOnly):
		return record.Stopped, err.Error()
	case errors.As(err, &failed):
		return record.Failed, failed.reason
	case errors.Is(err, context.Canceled):
		return record.Stopped, "stopped by an operator"
	case errors.Is(err, syscall.ENOSPC):
		return record.Stopped, err.Error() + "; resume the run when there is room"
	default:
		return record.Failed, err.Error()
	}
}

func (o *owner) completion() string {
	if o.reachedTarget() {
		return fmt.Sprintf("reached test accuracy %.4f in round %d", *o.last.TestAccuracy, o.last.Number)
	}
	return fmt.Sprintf("all %d rounds are done", o.spec.Rounds)
}

// work is the goroutine that owns the run.
func (o *owner) work(ctx context.Context) error {
	if err := o.prepare(ctx); err != nil {
		return err
	}
	o.enter()
	for !o.done() {
		if err := o.nextRound(ctx); err != nil {
			return err
		}
	}
	return o.awaitMeasurement(ctx)
}

func (o *owner) nextRound(ctx context.Context) error {
	if o.async != nil {
		return o.asyncRound(ctx)
	}
	return o.round(ctx)
}

// done tells whether no round is left to be made.
func (o *owner) done() bool {
	return len(o.replay) == 0 && (o.last.Number >= o.spec.Rounds || o.reachedTarget())
}

func (o *owner) reachedTarget() bool {
	target := o.spec.StopAccuracy
	return target > 0 && o.last.Number > 0 && o.last.TestAccuracy != nil && *o.last.TestAccuracy >= target
}

// enter makes the run the active one and tells all workers of it, once.
func (o *owner) enter() {
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	if o.c.active == o {
		return
	}
	o.c.active = o
	for _, s := range o.c.sessions {
		o.inbox.put(joined{s})
	}
}

// leave takes the run off the stage and answers whoever still waits for it.
func (o *owner) leave() {
	o.c.mu.Lock()
	if o.c.active == o {
		o.c.active = nil
	}
	o.c.mu.Unlock()
	for _, e := range o.inbox.close() {
		o.turnDown(e)
	}
	for _, p := range o.workers {
		o.c.tell(p.session, closeRun(o.run.ID))
	}
	if o.start != nil {
		o.start.release()
	}
	if o.offered != nil {
		o.offered.release()
	}
	if o.pending != nil {
		o.pending.drop()
	}
	if o.updates != nil {
		o.updates.close()
	}
	if o.async != nil {
		o.leaveAsync()
	}
	o.c.models.forget()
}

// next handles one event, or the passing of time until wake, if it is not zero. It returns the context's error when that
// ends.
func (o *owner) next(ctx context.Context, wake time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e, ok := o.inbox.take(); ok {
		return o.handle(e)
	}
	var alarm <-chan time.Time
	if !wake.IsZero() {
		timer := time.NewTimer(time.Until(wake))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-alarm:
		return o.tick()
	case <-o.inbox.ready:
		if e, ok := o.inbox.take(); ok {
			return o.handle(e)
		}
		return nil
	}
}

// tick tells the machine the time.
func (o *owner) tick() error {
	if o.async != nil {
		return o.stepAsync(async.Tick{})
	}
	return o.step(round.Tick{})
}

func (o *owner) handle(e any) error {
	switch e := e.(type) {
	case joined:
		return o.onJoined(e.session)
	case left:
		return o.onLeft(e.session, e.why)
	case message:
		return o.onMessage(e.session, e.m)
	case offer:
		return o.onOffer(e)
	case delivery:
		return o.onDelivery(e)
	case badBytes:
		return o.onBadBytes(e)
	case notKept:
		if o.isCurrent(e.push.Key) {
			return fmt.Errorf("keeping the states of shards %v in round %d: %w", e.push.Shards(), e.push.Round, e.why)
		}
		return nil
	case fetched:
		o.onFetched(e)
		return nil
	case ranked:
		return o.onRanked(e)
	case cancelled:
		return errCancelled
	}
	panic(fmt.Sprintf("coordinator: event of type %T", e))
}
