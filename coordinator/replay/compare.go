package replay

import (
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// plan draws the round's tasks anew.
func (r *Replay) plan(rec record.Round) (localsgd.Plan, error) {
	plan := r.algorithm.Plan(r.job, rec.Number)
	if shards := plan.Invited(); !slices.Equal(shards, rec.Invited) {
		return plan, &Difference{rec.Number, "invited", fmt.Sprint(rec.Invited), fmt.Sprint(shards)}
	}
	for _, task := range plan.Tasks {
		i, counts := slices.BinarySearch(rec.Participants, task.Shard)
		if counts && rec.Weights[i] != uint64(task.Weight) {
			what := fmt.Sprintf("weight of shard %d", task.Shard)
			return plan, &Difference{rec.Number, what, fmt.Sprint(rec.Weights[i]), fmt.Sprint(task.Weight)}
		}
		if most := rec.StepsOf(task.Shard); counts && most != task.Steps {
			what := fmt.Sprintf("most steps of shard %d", task.Shard)
			return plan, &Difference{rec.Number, what, fmt.Sprint(most), fmt.Sprint(task.Steps)}
		}
	}
	return plan, nil
}

// compare looks at all that the round made.
func (r *Replay) compare(rec record.Round, facts localsgd.RoundFacts) error {
	if got := tensor.HashBlock(r.block[:r.job.Net.Parameters()]); got != rec.StartModel {
		return &Difference{rec.Number, "start_model", rec.StartModel.String(), got.String()}
	}
	if err := r.compareBlocks(rec, r.next); err != nil {
		return err
	}
	for i, want := range rec.ShardStates {
		k := rec.Participants[i]
		if got := tensor.HashBlock(r.runner.ShardState(k)); got != want {
			return &Difference{rec.Number, fmt.Sprintf("state of shard %d", k), want.String(), got.String()}
		}
	}
	return compareFacts(rec, facts.Steps, facts.TrainLoss)
}

// compareFacts compares what a round's tasks tell of themselves.
func compareFacts(rec record.Round, steps int, loss float64) error {
	if int64(steps) != rec.Steps {
		return &Difference{rec.Number, "steps", fmt.Sprint(rec.Steps), fmt.Sprint(steps)}
	}
	if got := record.Number(loss); !equal(got, rec.TrainLoss) {
		return &Difference{rec.Number, "train_loss", text(rec.TrainLoss), text(got)}
	}
	return nil
}

// compareBlocks compares a block of what is stored with the hashes of its parts.
func (r *Replay) compareBlocks(rec record.Round, block []float32) error {
	n := r.job.Net.Parameters()
	if got := tensor.HashBlock(block[:n]); got != rec.Model {
		return &Difference{rec.Number, "model_sha256", rec.Model.String(), got.String()}
	}
	var state tensor.Hash
	if len(block) > n {
		state = tensor.HashBlock(block[n:])
	}
	if state != rec.RuleState {
		return &Difference{rec.Number, "rule_state", rec.RuleState.String(), state.String()}
	}
	return nil
}

func equal(a, b *float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func text(v *float64) string {
	if v == nil {
		return "not a number"
	}
	return fmt.Sprint(*v)
}
