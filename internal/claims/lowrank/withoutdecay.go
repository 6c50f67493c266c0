package lowrank

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// keptWithin is the part of a layer's size that its eps-rank may change by without weight decay (P1.4).
const keptWithin = 0.02

// withoutDecay is P1.4: without weight decay the eps-rank at 1e-3 stays what it was, in the network of the spec and in the small one
// of P1.2.
func withoutDecay(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	large, err := endAll(ctx, lab, "P1.4", lab.Seeds(), [][]string{{"local.optimizer.sgd.weight_decay=0"}})
	if err != nil {
		return nil, err
	}
	small, err := endAll(ctx, lab, "P1.2", smallSeeds(lab), [][]string{{"local.optimizer.sgd.weight_decay=0"}})
	if err != nil {
		return nil, err
	}
	o := claims.All(claims.TestTrend(changes(large[0]), claims.Below, keptWithin), claims.TestTrend(changes(small[0]), claims.Below, keptWithin))
	o.Setup = fmt.Sprintf("MNIST network of the spec, %d rounds, and the network of P1.2, weight decay 0, eps %g", large[0][0].setting.Spec.Rounds, marginalEps)
	o.Predicted = "change of the eps-rank 0 of each layer's size"
	o.Measured = describe(large[0]) + "; " + describe(small[0])
	return o, nil
}

// changes returns, for each seed, the mean over the hidden weights of the change of the eps-rank relative to the smaller side.
func changes(runs []*ended) []float64 {
	var out []float64
	for _, e := range runs {
		total := math.NaN() // of a network without hidden weights
		for i := range e.after {
			if i == 0 {
				total = 0
			}
			total += math.Abs(claims.EpsRank(marginalEps)(e.after[i])-claims.EpsRank(marginalEps)(e.before[i])) / float64(len(e.after[i])) / float64(len(e.after))
		}
		out = append(out, total)
	}
	return out
}

func describe(runs []*ended) string {
	at := func(eps float64) string {
		return fmt.Sprintf("@%g %.1f -> %.1f", eps, mean(runs, func(e *ended) float64 { return claims.MeanOf(e.before, claims.EpsRank(eps)) }), mean(runs, func(e *ended) float64 { return e.rank(eps) }))
	}
	return fmt.Sprintf("sides %d: %s, %s, %s", len(runs[0].after[0]), at(marginalEps), at(0.02), at(0.05))
}
