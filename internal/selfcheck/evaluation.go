package selfcheck

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd"
)

// evaluationProperty scores the start model on several numbers of goroutines.
var evaluationProperty = property{
	name:     "scores do not depend on goroutines",
	expected: exactly,
	measure:  measureEvaluation,
}

func measureEvaluation(ctx context.Context, s *Subject, c *code) (finding, error) {
	model := s.job.Start()
	f := finding{measured: "the same bits", holds: true, detail: fmt.Sprintf("1, 2, 3 and 5 goroutines on %d examples", s.test.Len())}
	var first localsgd.Score
	for i, parallel := range []int{1, 2, 3, 5} {
		score, err := c.evaluate(ctx, s.job.Net, s.test, parallel, model)
		if err != nil {
			return finding{}, err
		}
		if i == 0 {
			first = score
		} else if f.holds && (math.Float64bits(score.Loss) != math.Float64bits(first.Loss) || score.Accuracy != first.Accuracy) {
			f.holds = false
			f.measured = fmt.Sprintf("loss %v on %d, %v on one", score.Loss, parallel, first.Loss)
		}
	}
	return f, nil
}
