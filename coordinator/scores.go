package coordinator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// evaluation is the score of a model that is not committed yet, by the workers that have the test sets.
type evaluation struct {
	round  int
	model  tensor.Hash // as it travels
	tasks  []*scoreTask
	absent time.Time // since when nobody has a test set that is wanted; zero: somebody does
	failed error
}

// scoreTask is the score on one shard's test set.
type scoreTask struct {
	shard int
	asked round.WorkerID // 0: nobody
	tries int
	sums  *localsgd.Sums
}

// maxScoreTries bounds how often a score is asked for before the run is given up for its reason.
const maxScoreTries = 3

// hasTests tells whether workers have test sets.
func (o *owner) hasTests() bool {
	return slices.ContainsFunc(o.run.Parts, func(p shard.Part) bool { return p.Tests > 0 })
}

// scoreByWorkers publishes the model of a block ahead of its commit and has it scored on every shard's test set. The sums are
// added in the order of shards, so that they have the same bits whoever answers when.
func (o *owner) scoreByWorkers(ctx context.Context, number int, block []float32, made hashes) (localsgd.Score, error) {
	o.offered = o.c.models.publish(made.travel, block, o.job.Layout().Size())
	o.enter()
	e := &evaluation{round: number, model: made.travel}
	for k, p := range o.run.Parts {
		if p.Tests > 0 {
			e.tasks = append(e.tasks, &scoreTask{shard: k})
		}
	}
	o.scores = e
	defer func() { o.scores, o.waiting = nil, nil }()
	o.askForScores()
	if err := o.awaitScores(ctx, e); err != nil {
		return localsgd.Score{}, err
	}
	var sums localsgd.Sums
	for _, t := range e.tasks {
		sums.Add(*t.sums)
	}
	return sums.Score(o.spec.Data.(spec.Workers).Classes > 0), nil
}

// awaitScores handles events until all scores are there.
func (o *owner) awaitScores(ctx context.Context, e *evaluation) error {
	for began, first := time.Now(), true; ; first = false {
		open := e.open()
		if len(open) == 0 || e.failed != nil {
			return e.failed
		}
		o.waiting = &wait{what: "waiting for the evaluation on " + shardList(open), since: began}
		if !e.absent.IsZero() {
			o.waiting.since, o.waiting.until = e.absent, e.absent.Add(o.spec.GiveUp)
			if time.Now().After(o.waiting.until) {
				return fmt.Errorf("%w in round %d: no worker could evaluate %s for %v", errGivenUp, e.round, shardList(open), o.spec.GiveUp)
			}
		}
		o.say("evaluate", first)
		if err := o.next(ctx, o.waiting.until); err != nil {
			return err
		}
	}
}

// open lists the shards without a score.
func (e *evaluation) open() (shards []int) {
	for _, t := range e.tasks {
		if t.sums == nil {
			shards = append(shards, t.shard)
		}
	}
	return shards
}

// lose takes back what a lost worker was to score.
func (e *evaluation) lose(id round.WorkerID) {
	for _, t := range e.tasks {
		if t.asked == id {
			t.asked = 0
		}
	}
}

// askForScores gives every open score that nobody works on to a worker that has the shard.
func (o *owner) askForScores() {
	e := o.scores
	if e == nil {
		return
	}
	byWorker := make(map[round.WorkerID][]int)
	idle := false
	for _, t := range e.tasks {
		if t.sums != nil || t.asked != 0 {
			continue
		}
		p := o.holder(t.shard)
		if p == nil {
			idle = true
			continue
		}
		t.asked = p.session.ID
		byWorker[t.asked] = append(byWorker[t.asked], t.shard)
	}
	for id, shards := range byWorker {
		o.tell(id, wire.Score{Key: wire.Key{Run: o.run.ID, Round: e.round}, Shards: shards, Model: e.model})
	}
	if !idle {
		e.absent = time.Time{}
	} else if e.absent.IsZero() {
		e.absent = time.Now()
	}
}

// task returns the score that a worker was asked for, nil if it was not.
func (e *evaluation) task(p *participant, round, shard int) *scoreTask {
	if e == nil || e.round != round {
		return nil
	}
	for _, t := range e.tasks {
		if t.shard == shard && t.asked == p.session.ID && t.sums == nil {
			return t
		}
	}
	return nil
}

func (o *owner) onScored(p *participant, m wire.Scored) error {
	t := o.scores.task(p, m.Round, m.Shard)
	if t == nil || m.Run != o.run.ID {
		return nil
	}
	if want := o.run.Parts[t.shard].Tests; m.Sums.Examples != want {
		return o.onScoreFailed(p, wire.ScoreFailed{Key: m.Key, Shard: m.Shard,
			Reason: fmt.Sprintf("scored on %d examples, the shard has %d", m.Sums.Examples, want)})
	}
	t.sums = &m.Sums
	return nil
}

func (o *owner) onScoreFailed(p *participant, m wire.ScoreFailed) error {
	t := o.scores.task(p, m.Round, m.Shard)
	if t == nil || m.Run != o.run.ID {
		return nil
	}
	o.log.Warn("a model was not scored", "worker", p.name(), "round", m.Round, "shard", m.Shard, "why", m.Reason)
	t.asked = 0
	if t.tries++; t.tries >= maxScoreTries {
		o.scores.failed = fmt.Errorf("%w in round %d: evaluating shard %d: %s", errGivenUp, m.Round, m.Shard, m.Reason)
		return nil
	}
	o.askForScores()
	return nil
}
