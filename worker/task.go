package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// slot computes one thing at a time.
type slot struct {
	hand    *hand
	attempt *attempt // that has the slot, until it is added or given up

	// With the hand while it is busy, with the agent otherwise.
	trainer *localsgd.Trainer
	job     *localsgd.Job // of trainer
	room    stateRoom
}

func (s *slot) idle() bool { return s.attempt == nil && !s.hand.busy }

// use returns the slot's trainer for the job, made once for each job. It runs on the hand.
func (s *slot) use(job *localsgd.Job) *localsgd.Trainer {
	if s.job != job {
		s.trainer, s.job = localsgd.NewTrainer(job), job
		s.trainer.Join(s.hand.team)
	}
	return s.trainer
}

// task is a task of a round; its update goes into a sum or is pushed alone.
type task struct {
	wire.Task
	sum bool
}

// attempt is a task that has begun.
type attempt struct {
	task
	round   *round
	gear    *gear
	slot    *slot
	start   *model
	end     []float32
	cancel  context.CancelFunc
	revoked bool // nobody wants it any more

	facts localsgd.Facts
	took  time.Duration
	made  tensor.Hash // the shard's state after the task; zero: shards have none
}

// revoke stops an attempt between two steps; its shard may be assigned again.
func (at *attempt) revoke() {
	at.revoked = true
	at.cancel()
	delete(at.round.running, at.Shard)
}

// release gives back what an attempt holds, and its slot.
func (a *agent) release(at *attempt) {
	if at.round.running[at.Shard] == at {
		delete(at.round.running, at.Shard)
	}
	at.gear.takeBack(at.end)
	at.end = nil
	at.slot.attempt = nil
}

// releaseRevoked releases the revoked attempts among those that wait to be added; others are with their hands.
func (a *agent) releaseRevoked(r *round) {
	r.adders = slices.DeleteFunc(r.adders, func(at *attempt) bool {
		if at.revoked {
			a.release(at)
		}
		return at.revoked
	})
}

// dispatch gives idle slots something to do: scores and measurements first, they are short, and for a score all wait; then
// studies, for which the next commit waits.
func (a *agent) dispatch() {
	if a.run == nil || !a.run.ready {
		return
	}
	if len(a.run.measures) > 0 {
		a.model(a.run.measures[0].model) // normally the next start: it comes while the slots are busy
	}
	for _, s := range a.slots {
		if s.idle() && !a.scoreNext(s) && !a.measureNext(s) && !a.studyNext(s) && !a.trainNext(s) {
			return
		}
	}
}

// trainNext begins the next task if its start model is there.
func (a *agent) trainNext(s *slot) bool {
	for _, r := range a.run.rounds {
		if len(r.tasks) == 0 {
			continue
		}
		if start := a.model(r.start); start != nil {
			a.train(s, r, start)
			return true
		}
	}
	return false
}

// train begins a round's first task.
func (a *agent) train(s *slot, r *round, start *model) {
	at := &attempt{task: r.tasks[0], round: r, gear: a.run.gear, slot: s, start: start, end: a.run.gear.block()}
	r.tasks = slices.Delete(r.tasks, 0, 1)
	r.running[at.Shard], s.attempt = at, at
	start.uses++
	ctx, cancel := context.WithCancel(context.Background())
	at.cancel = cancel
	source := stateSource{run: r.Run, link: a.link, wait: a.cfg.Backoff}
	s.hand.give(func() event {
		began := time.Now()
		facts, err := at.work(ctx, source)
		return trained{at, facts, time.Since(began), err}
	})
}

// trained tells how an attempt ended.
type trained struct {
	attempt *attempt
	facts   localsgd.Facts
	took    time.Duration
	err     error
}

func (e trained) apply(a *agent) {
	at, r := e.attempt, e.attempt.round
	at.start.uses--
	at.cancel()
	at.facts, at.took = e.facts, e.took
	var diverged *localsgd.DivergedError
	switch {
	case at.revoked, errors.Is(e.err, errSessionOver):
		a.release(at)
	case e.err == nil:
		r.adders = append(r.adders, at)
	case errors.As(e.err, &diverged):
		a.release(at)
		a.log.Warn("a task diverged", "key", r.Key, "why", diverged)
		if a.run.ready {
			a.say(wire.Diverged{Key: r.Key, Shard: at.Shard, Step: diverged.Step, Detail: diverged.Detail})
		}
	default:
		a.release(at)
		a.failTask(r, at.Shard, e.err.Error())
	}
}

// addNext adds ends to their sums, each on its own slot, and as many at a time as there are sums for them.
func (a *agent) addNext() {
	if a.run == nil {
		return
	}
	for _, r := range a.run.rounds {
		a.addOf(r)
	}
}

func (a *agent) addOf(r *round) {
	for len(r.adders) > 0 {
		at := r.adders[0]
		res := a.receiver(r, at)
		if res == nil {
			return
		}
		r.adders = slices.Delete(r.adders, 0, 1)
		res.adding = at
		at.slot.hand.give(func() event {
			return added{at, res, res.sum.Add(localsgd.Share{Shard: at.Shard, Weight: at.Weight}, at.end)}
		})
	}
}

// added tells that an end is part of a result, or why it is not.
type added struct {
	attempt *attempt
	result  *result
	err     error
}

func (e added) apply(a *agent) {
	at, res, r := e.attempt, e.result, e.attempt.round
	res.adding = nil
	switch {
	case at.revoked:
		a.release(at)
		a.drop(res)
	case res.void: // without fault of this shard: it goes into the next sum
		a.drop(res)
		r.adders = slices.Insert(r.adders, 0, at)
	case e.err != nil:
		a.release(at)
		a.failTask(r, at.Shard, "adding the update: "+e.err.Error())
		if res.alone {
			a.drop(res)
		}
	default:
		a.keep(res, at)
	}
}

// keep notes an update that is part of a result now.
func (a *agent) keep(res *result, at *attempt) {
	r := at.round
	res.note(at)
	if res.alone {
		r.unsent = append(r.unsent, res)
	} else if res.trained >= a.cfg.PushAfter {
		res.wanted = true
	}
	if at.Measured {
		a.run.ends.put(at.gear, endKey{r.Round, r.start, at.Shard}, at.end)
		at.end = nil
	}
	a.release(at)
	if a.run.ready {
		a.sayTrained(r.Key, at.Shard)
	}
}
