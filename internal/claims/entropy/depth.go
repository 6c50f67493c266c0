package entropy

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// depth is P4.7.
func depth(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	base, err := lab.Spec("P4.7")
	if err != nil {
		return nil, err
	}
	if base.Model.MLP == nil || len(base.Model.MLP.Hidden) == 0 {
		return nil, fmt.Errorf("model: P4.7 is about networks of hidden layers of one width (model.mlp.hidden)")
	}
	width := base.Model.MLP.Hidden[0]
	size := lab.Yielding(claims.Pick(lab, []string{"shards.limit=2000", "rounds=12"}, []string{"shards.limit=3000", "rounds=20"}, nil)...)
	var arms [][]string
	for layers := 2; layers <= 4; layers++ {
		hidden := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("%d, ", width), layers), ", ")
		arms = append(arms, append([]string{"model.mlp.hidden=[" + hidden + "]"}, size...))
	}
	trials, err := grid(ctx, lab, "P4.7", arms, lab.Seeds())
	if err != nil {
		return nil, err
	}
	o := judgeDepth(trials)
	o.Setup = fmt.Sprintf("2, 3 and 4 hidden layers of %d, Adam, %d paired seeds, the last epoch's entropy, mean over the layers", width, o.Seeds)
	o.Predicted = "lower with 3 and with 4 layers than with 2 (the paper: 7.43 for 2, about 7.14 for 3 and 4)"
	o.Measured = fmt.Sprintf("%.2f with 2, %.2f with 3, %.2f with 4", lastMean(trials[0]), lastMean(trials[1]), lastMean(trials[2]))
	drawDepth(lab, trials)
	return o, nil
}

// judgeDepth compares the deeper networks' entropy with that of two layers, the larger of the two in pairs.
func judgeDepth(trials [][]*trial) *claims.Outcome {
	gap := make([]float64, len(trials[0]))
	for k := range gap {
		deeper := max(trials[1][k].last(), trials[2][k].last())
		gap[k] = deeper - trials[0][k].last()
	}
	return claims.TestTrend(gap, claims.Below, 0)
}

// last returns the mean entropy of the layers in the last epoch.
func (t *trial) last() float64 { return claims.Mean(t.Entropy[len(t.Entropy)-1]) }

func lastMean(trials []*trial) float64 {
	sum := 0.0
	for _, t := range trials {
		sum += t.last() / float64(len(trials))
	}
	return sum
}
