package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// asyncReplay makes the rounds of an asynchronous run of their recorded arrivals.
type asyncReplay struct {
	runner  *localsgd.AsyncRunner
	oldest  int
	counted map[localsgd.Arrival]int // by task: the round in which it counted, as long as it could come again
}

// newAsyncReplay returns nil for a rule whose rounds are planned.
func newAsyncReplay(job *localsgd.Job, a localsgd.Algorithm) *asyncReplay {
	rule, is := a.Rule.(localsgd.Asynchronous)
	if !is {
		return nil
	}
	return &asyncReplay{
		runner: &localsgd.AsyncRunner{Job: job, Algorithm: a}, oldest: rule.Oldest(), counted: make(map[localsgd.Arrival]int),
	}
}

// asyncRound computes a round of its recorded arrivals.
func (r *Replay) asyncRound(ctx context.Context, rec record.Round) error {
	a := r.async
	if err := a.admit(rec); err != nil {
		return err
	}
	if got := tensor.HashBlock(a.runner.Model()); got != rec.StartModel {
		return &Difference{rec.Number, "start_model", rec.StartModel.String(), got.String()}
	}
	arrivals := make([]localsgd.Arrival, len(rec.Arrivals))
	for i, u := range rec.Arrivals {
		arrivals[i] = localsgd.Arrival{Version: u.Start, Shard: u.Shard}
		if u.Shard >= len(r.job.Shards) {
			return &Difference{rec.Number, "arrivals", fmt.Sprintf("shard %d", u.Shard), fmt.Sprintf("%d shards", len(r.job.Shards))}
		}
	}
	facts, err := a.runner.Carry(ctx, arrivals)
	if errors.Is(err, localsgd.ErrStale) || errors.Is(err, localsgd.ErrFull) || errors.Is(err, localsgd.ErrNoUpdates) {
		return &Difference{rec.Number, "arrivals", fmt.Sprint(rec.Arrivals), "none such: " + err.Error()}
	}
	if err != nil {
		return r.failed(rec, err)
	}
	for i, w := range facts.Weights {
		if rec.Weights[i] != uint64(w) {
			what := fmt.Sprintf("weight of shard %d from round %d", arrivals[i].Shard, arrivals[i].Version)
			return &Difference{rec.Number, what, fmt.Sprint(rec.Weights[i]), fmt.Sprint(w)}
		}
	}
	if err := r.compareBlocks(rec, a.runner.Stored()); err != nil {
		return err
	}
	if err := compareFacts(rec, facts.Steps, facts.TrainLoss); err != nil {
		return err
	}
	r.last = rec
	return nil
}

// admit refuses updates that have counted in an earlier round: each counts once.
func (a *asyncReplay) admit(rec record.Round) error {
	for _, u := range rec.Arrivals {
		task := localsgd.Arrival{Version: u.Start, Shard: u.Shard}
		if before, twice := a.counted[task]; twice {
			return &Difference{rec.Number, "arrivals", fmt.Sprintf("shard %d from round %d", u.Shard, u.Start), fmt.Sprintf("in round %d", before)}
		}
		a.counted[task] = rec.Number
	}
	for task := range a.counted {
		if rec.Number-task.Version > a.oldest {
			delete(a.counted, task)
		}
	}
	return nil
}
