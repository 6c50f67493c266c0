package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd"
)

// finish makes the next model of a closed round, scores it, and commits the round.
func (o *owner) finish(ctx context.Context) error {
	cur := o.current
	cur.clock.closed()
	o.say("aggregate", true)
	next, made, err := o.aggregate(ctx)
	if err != nil {
		return err
	}
	rec := o.record(made)
	if err := o.score(ctx, &rec, next, made); err != nil {
		return err
	}
	waited := time.Now()
	if err := o.awaitMeasurement(ctx); err != nil {
		return err
	}
	measureWait := time.Since(waited)
	rec.Seconds = cur.clock.seconds(measureWait)
	rec.BytesUp, rec.BytesDown = cur.clock.bytes(o.c)
	rec.Time = time.Now()
	rec.MeasureDue = o.measureDue(rec.Number, cur.measured)
	return o.commit(rec, next, made)
}

// aggregate makes the mean, or what takes its place, and takes the rule's step.
func (o *owner) aggregate(ctx context.Context) ([]float32, hashes, error) {
	cur, next := o.current, o.current.next
	var err error
	if o.async != nil {
		err = o.async.buffer.Finish(o.start.block, next)
	} else if o.updates != nil {
		err = o.algorithm.Combine(o.job, cur.plan, untilStopped{o.updates, ctx}, o.start.block, next)
	} else {
		err = o.algorithm.Finish(o.job, cur.plan, &o.sum, o.start.block, next)
	}
	switch {
	case err == nil:
		return next, o.hashes(next), nil
	case errors.Is(err, localsgd.ErrRange):
		err = &failure{fmt.Sprintf("the model of round %d diverged: %v; try a smaller server lr", cur.number, err)}
	case errors.Is(err, localsgd.ErrTooFewUpdates):
		err = &failure{fmt.Sprintf("round %d cannot be finished: %v", cur.number, err)}
	default:
		err = fmt.Errorf("finishing round %d: %w", cur.number, err)
	}
	return nil, hashes{}, err
}

// record says of the closed round all that does not depend on time.
func (o *owner) record(made hashes) record.Round {
	if o.async != nil {
		return o.recordAsync(made)
	}
	cur := o.current
	rec := record.Round{
		Number: cur.number, Invited: cur.plan.Invited(), Participants: cur.closed.Answered, Missing: slices.Clone(cur.closed.Missing),
		CloseReason: cur.closed.Reason, Diverged: cur.diverged, StartModel: o.last.Model, Model: made.model,
		RuleState: made.state, FreshStates: o.states.fresh, StatesStay: o.states.size > 0 && !o.states.travels,
	}
	if o.start.hash != rec.StartModel {
		rec.Start = o.start.hash
	}
	slices.SortFunc(rec.Diverged, func(a, b record.Diverged) int { return cmp.Compare(a.Shard, b.Shard) })
	cur.account(&rec)
	var loss localsgd.LossMean
	byWorker := make(map[string][]int)
	for _, k := range rec.Participants {
		f := cur.facts[k]
		rec.Weights = append(rec.Weights, uint64(f.Weight))
		rec.Examples += int64(f.Examples)
		rec.Steps += int64(f.Steps)
		loss.Add(f.Weight, f.Facts)
		if o.states.size > 0 {
			rec.ShardStates = append(rec.ShardStates, f.State)
		}
		byWorker[cur.by[k].name()] = append(byWorker[cur.by[k].name()], k)
	}
	for _, name := range slices.Sorted(maps.Keys(byWorker)) {
		rec.Workers = append(rec.Workers, record.Worker{Name: name, Shards: byWorker[name]})
	}
	rec.TrainLoss = record.Number(loss.Value())
	return rec
}

// account says who is missing and why, and how the plan has cut tasks.
func (c *currentRound) account(rec *record.Round) {
	for _, a := range c.plan.Absent {
		rec.Absent = append(rec.Absent, record.Absent{Shards: a.Shards, Reason: a.Why})
		rec.Missing = append(rec.Missing, a.Shards...)
	}
	for _, a := range c.closed.Absent {
		rec.Absent = append(rec.Absent, record.Absent{Shards: a.Shards, Reason: a.Why})
	}
	slices.Sort(rec.Missing)
	if !slices.ContainsFunc(c.plan.Tasks, func(t localsgd.PlannedTask) bool { return t.Steps > 0 }) {
		return
	}
	for _, k := range rec.Participants {
		i, _ := c.find(k)
		rec.TaskSteps = append(rec.TaskSteps, c.plan.Tasks[i].Steps)
	}
}

// score evaluates the model of a stored block where the spec asks for it and somebody has a test set.
func (o *owner) score(ctx context.Context, rec *record.Round, block []float32, made hashes) error {
	every := o.spec.EvaluateEvery
	if every == 0 || rec.Number%every != 0 && rec.Number != o.spec.Rounds {
		return nil
	}
	var s localsgd.Score
	var err error
	switch {
	case o.evaluator != nil:
		s, err = o.evaluator.Evaluate(ctx, o.model(block))
	case o.hasTests():
		s, err = o.scoreByWorkers(ctx, rec.Number, block, made)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	rec.TestLoss = record.Number(s.Loss)
	if s.Classes {
		rec.TestAccuracy = &s.Accuracy
	}
	return nil
}

// commit makes the round exist, and its model the next one's start.
func (o *owner) commit(rec record.Round, block []float32, made hashes) error {
	o.say("commit", true)
	if err := o.writeState(block, made); err != nil {
		return fmt.Errorf("committing round %d: %w", rec.Number, err)
	}
	if _, err := o.c.store.CommitRound(o.run.ID, rec, o.model(block)); err != nil {
		return fmt.Errorf("committing round %d: %w", rec.Number, err)
	}
	cur := o.current
	o.current = nil
	o.publish(block, made)
	o.last = rec
	o.states.commit(rec, cur)
	o.logRound(rec)
	o.c.changed.fire()
	o.say("committed", true)
	return o.measure(rec, cur)
}

func (o *owner) logRound(rec record.Round) {
	attrs := []any{"round", rec.Number, "model", rec.Model.String()[:12]}
	for _, a := range []struct {
		name  string
		value *float64
	}{{"loss", rec.TrainLoss}, {"accuracy", rec.TestAccuracy}} {
		if a.value != nil {
			attrs = append(attrs, a.name, *a.value)
		}
	}
	o.log.Info("round committed", attrs...)
}

// finishReplay puts a damaged model back into the store: the replayed round must give the recorded hash.
func (o *owner) finishReplay(ctx context.Context) error {
	rec := *o.current.replayed
	next, made, err := o.aggregate(ctx)
	if err != nil {
		return err
	}
	for i, k := range rec.Participants {
		if len(rec.ShardStates) > 0 && o.current.facts[k].State != rec.ShardStates[i] {
			return &failure{fmt.Sprintf("a replayed round did not give its recorded states: that of shard %d in round %d", k, rec.Number)}
		}
	}
	if made.model != rec.Model || made.state != rec.RuleState {
		return &failure{fmt.Sprintf("a replayed round did not give its recorded model: round %d gives %s, recorded is %s", rec.Number, made.model, rec.Model)}
	}
	if err := o.writeState(next, made); err != nil {
		return err
	}
	repaired := record.Repaired{Detail: "computed again from the last intact model", Time: time.Now()}
	if _, err := o.c.store.RestoreModel(o.run.ID, rec.Number, o.model(next), repaired); err != nil {
		return err
	}
	o.log.Warn("damaged model computed again", "round", rec.Number, "model", made.model.String()[:12])
	o.states.commit(rec, o.current)
	o.replay, o.current = o.replay[1:], nil
	o.publish(next, made)
	o.c.changed.fire()
	return nil
}
