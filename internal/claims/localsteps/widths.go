package localsteps

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
)

// widths is P6.7: a table without a verdict.
func widths(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	units := claims.Pick(lab, []int{32, 128}, []int{32, 128}, []int{32, 128, 512})
	seeds := claims.Seeds(claims.Pick(lab, 1, 2, 3))
	rounds := make([][]float64, len(units)) // mean over the seeds, by width and steps
	for i := range rounds {
		rounds[i] = make([]float64, len(t2Steps))
	}
	err := lab.Each(ctx, len(units)*len(t2Steps), func(ctx context.Context, n int) error {
		i, j := n/len(t2Steps), n%len(t2Steps)
		for _, seed := range seeds {
			r, err := roundsTo(ctx, lab, units[i], t2Steps[j], seed)
			if err != nil {
				return err
			}
			rounds[i][j] += r / float64(len(seeds))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	drawWidths(lab, units, rounds)
	text := ""
	for i, m := range units {
		text += fmt.Sprintf("width %d:", m)
		for j, h := range t2Steps {
			text += fmt.Sprintf(" H=%d %s", h, countOf(rounds[i][j]))
		}
		text += "; "
	}
	return &claims.Outcome{
		Setup:     fmt.Sprintf("T2: 784-m-m-10 on MNIST, ten IID shards, rounds to the spec's stop.accuracy, %d seeds", len(seeds)),
		Predicted: "wider networks need fewer rounds and stand more local steps (from memory: no verdict)",
		Measured:  text[:len(text)-2],
		Seeds:     len(seeds), Verdict: claims.Shown, Why: "the paper's own statement is not at hand",
	}, nil
}

func countOf(rounds float64) string {
	if math.IsNaN(rounds) {
		return "not reached"
	}
	return fmt.Sprintf("%.0f", rounds)
}

// roundsTo returns the rounds to the spec's accuracy, NaN where it is not reached in the spec's rounds.
func roundsTo(ctx context.Context, lab *claims.Lab, units, steps int, seed uint64) (float64, error) {
	changes := []string{fmt.Sprintf("seed=%d", seed), fmt.Sprintf("local.steps=%d", steps), fmt.Sprintf("model.mlp.hidden=[%d, %d]", units, units)}
	if lab.Size == claims.Quick {
		changes = append(changes, lab.Yielding("rounds=50")...) // few local steps need hundreds
	}
	s, err := lab.Setting("P6.7", changes...)
	if err != nil {
		return 0, err
	}
	if s.Spec.StopAccuracy == 0 {
		return 0, fmt.Errorf("stop.accuracy: P6.7 counts the rounds to it")
	}
	evaluator := localsgd.NewEvaluator(s.Job.Net, s.Job.Data.Test, 1)
	out := math.NaN()
	_, err = s.Runner().Run(ctx, s.Spec.Rounds, func(facts localsgd.RoundFacts, model []float32) error {
		score, err := evaluator.Evaluate(ctx, model)
		if err == nil && score.Accuracy >= s.Spec.StopAccuracy {
			out, err = float64(facts.Plan.Round), localsgd.ErrStop
		}
		return err
	})
	return out, err
}
