package claims

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd"
)

// Ends are the models of a round's participants when their tasks are done, before they are averaged.
type Ends struct {
	Weights []float64   // p_k
	Models  [][]float32 // the model's parameters alone
}

// Ends makes the tasks of a round again from its start, which a run hands to its callback after the round before, and returns
// what they come to. The setting must keep no states of shards.
func (s *Setting) Ends(ctx context.Context, round int, start []float32) (*Ends, error) {
	plan := s.Algorithm.Plan(s.Job, round)
	trainer, grid := localsgd.NewTrainer(s.Job), localsgd.NewGrid(s.Job.Layout(), start)
	var out Ends
	for i, task := range plan.Tasks {
		end := make([]float32, len(start))
		if _, err := trainer.Train(ctx, plan.Task(i), grid, localsgd.Blocks{Start: start, End: end}); err != nil {
			return nil, fmt.Errorf("making a task of round %d again: %w", round, err)
		}
		out.Weights = append(out.Weights, task.Weight.Float())
		out.Models = append(out.Models, end[:s.Job.Net.Parameters()])
	}
	return &out, nil
}
