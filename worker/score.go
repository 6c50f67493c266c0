package worker

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// score is a model's score on one shard's own test set that is wanted.
type score struct {
	wire.Key
	shard int
	model tensor.Hash
}

// scoring is the score that a slot works on.
type scoring struct {
	score
	cancel context.CancelFunc
}

// score queues scores.
func (a *agent) score(m wire.Score) {
	run := a.run
	open := run != nil && run.ready && run.announced.Run == m.Run && run.own != nil
	for _, k := range m.Shards {
		one := score{m.Key, k, m.Model}
		switch {
		case !open:
			a.failScore(one, fmt.Sprintf("%v is not open at this worker", m.Key))
		case run.own.Tests[k] == nil:
			a.failScore(one, "this worker has no test file of the shard")
		case !slices.Contains(run.scores, one):
			run.scores = append(run.scores, one)
			run.latest = m.Model // normally the next start
		}
	}
}

func (a *agent) failScore(s score, reason string) {
	a.log.Warn("an evaluation failed", "key", s.Key, "shard", s.shard, "why", reason)
	a.say(wire.ScoreFailed{Key: s.Key, Shard: s.shard, Reason: reason})
}

// failScores gives up the scores of a model.
func (a *agent) failScores(model tensor.Hash, reason string) {
	a.run.scores = slices.DeleteFunc(a.run.scores, func(s score) bool {
		if s.model == model {
			a.failScore(s, reason)
		}
		return s.model == model
	})
}

// scoreNext begins the next score if its model is there. One slot scores at a time, on as many goroutines as there are slots.
func (a *agent) scoreNext(s *slot) bool {
	run := a.run
	if run.scoring != nil || len(run.scores) == 0 {
		return false
	}
	one := run.scores[0]
	model := a.model(one.model)
	if model == nil {
		return false
	}
	run.scores = slices.Delete(run.scores, 0, 1)
	ctx, cancel := context.WithCancel(context.Background())
	run.scoring = &scoring{one, cancel}
	model.uses++
	net, set, slots := run.gear.job.Net, run.own.Tests[one.shard], a.cfg.Slots
	s.hand.give(func() event {
		sums, err := localsgd.NewEvaluator(net, set, slots).Sums(ctx, model.block[:net.Parameters()])
		return scored{run, one, model, sums, err}
	})
	return true
}

// scored tells how a score ended.
type scored struct {
	run   *run
	done  score
	model *model
	sums  localsgd.Sums
	err   error
}

func (e scored) apply(a *agent) {
	e.run.scoring.cancel()
	e.run.scoring = nil
	e.model.uses--
	switch {
	case a.run != e.run || !e.run.ready: // who wanted it is gone, and asks again
	case e.err != nil:
		a.failScore(e.done, e.err.Error())
	default:
		a.say(wire.Scored{Key: e.done.Key, Shard: e.done.shard, Sums: e.sums})
	}
}
