package entropy

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/claims"
)

var profileSlopes = []float64{0, 0.1, 0.2, 0.3, 0.4}

const (
	wideLayers   = 4    // HL1 to HL4; the layer after them is narrow
	tie          = 0.05 // entropies closer than this count as equal (P4.4)
	narrowChange = 0.05 // of its start: the narrow layer's, for slopes in changeFrom..changeTo (P4.5)
	changeFrom   = 0.1
	changeTo     = 0.3
)

// profileSize makes less than the spec's of a quick look, and at other sizes as much as P4.5 and P4.6 ask for.
func profileSize(lab *claims.Lab) []string {
	return lab.Yielding(claims.Pick(lab, []string{"shards.limit=2000", "rounds=12"}, []string{"shards.limit=5000", "rounds=30"}, nil)...)
}

// profiles trains the network of P4's entropy curves at every slope, once for P4.4, P4.5 and P4.6.
func profiles(ctx context.Context, lab *claims.Lab) ([][]*trial, error) {
	return claims.Once(lab, "entropy profiles", func() ([][]*trial, error) {
		var arms [][]string
		for _, a := range profileSlopes {
			arms = append(arms, append([]string{leaky(a)}, profileSize(lab)...))
		}
		trials, err := grid(ctx, lab, "P4.4", arms, lab.Seeds())
		if err != nil {
			return nil, err
		}
		if n := len(trials[0][0].Entropy[0]); n <= wideLayers {
			return nil, fmt.Errorf("model: %d hidden layers, but the entropy claims are about %d wide ones and a narrow one", n, wideLayers)
		}
		drawProfiles(lab, trials)
		return trials, nil
	})
}

const profileSetup = "five hidden layers as in the spec, Adam, slopes 0 to 0.4, entropy of the mini-batches of each epoch"

// rising is P4.4.
func rising(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	trials, err := profiles(ctx, lab)
	if err != nil {
		return nil, err
	}
	o := judgeRising(trials)
	o.Setup = profileSetup
	o.Predicted = "in each of the first four layers and every epoch a larger slope has more entropy, ties within 0.05; in the fifth the step from 0 to 0.1 has"
	o.Measured = fmt.Sprintf("first epoch, mean of the four: %s; last: %s", epochMeans(trials, 0), epochMeans(trials, -1))
	return o, nil
}

// judgeRising holds where the least step of the entropy from slope to slope, over layers and epochs, is no fall.
func judgeRising(trials [][]*trial) *claims.Outcome {
	least := make([]float64, len(trials[0]))
	for k := range least {
		least[k] = math.Inf(1)
		for i := range len(trials) - 1 {
			least[k] = min(least[k], leastStep(trials[i][k], trials[i+1][k], i == 0))
		}
	}
	return claims.TestTrend(least, claims.Above, -tie)
}

// leastStep returns the least gain of entropy from one training to another. narrow: the layers after the wide ones count too.
func leastStep(from, to *trial, narrow bool) float64 {
	least := math.Inf(1)
	for epoch := range from.Entropy {
		for l, h := range from.Entropy[epoch] {
			if l < wideLayers || narrow {
				least = min(least, to.Entropy[epoch][l]-h)
			}
		}
	}
	return least
}

// falling is P4.5.
func falling(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	trials, err := profiles(ctx, lab)
	if err != nil {
		return nil, err
	}
	o := settled(trials, judgeFalling(trials))
	o.Setup = profileSetup
	o.Predicted = "the first four layers lose entropy; for slopes above 0 the fourth loses most, and for 0.1 to 0.3 the narrow fifth changes by less than 5%"
	o.Measured = "entropy lost by layer, in %: " + lossByLayer(trials)
	return o, nil
}

// judgeFalling judges the three parts, each by its worst case of every seed.
func judgeFalling(trials [][]*trial) *claims.Outcome {
	seeds := len(trials[0])
	least, last, change := make([]float64, seeds), make([]float64, seeds), make([]float64, seeds)
	for k := range seeds {
		least[k], last[k] = math.Inf(1), math.Inf(1)
		var narrow claims.Worst
		for i, a := range profileSlopes {
			lost := trials[i][k].relative()
			least[k] = min(least[k], slices.Min(lost[:wideLayers]))
			if a > 0 {
				last[k] = min(last[k], lost[wideLayers-1]-slices.Max(lost[:wideLayers-1]))
			}
			if a >= changeFrom && a <= changeTo {
				narrow.Add(math.Abs(lost[wideLayers]))
			}
		}
		change[k] = narrow.Value()
	}
	return claims.All(
		named("the least loss of the first four layers", claims.TestTrend(least, claims.Above, 0)),
		named("how much more the fourth layer loses than the others", claims.TestTrend(last, claims.Above, 0)),
		named("the change of the fifth layer", claims.TestTrend(change, claims.Below, narrowChange)))
}

// leastUpdates is how much training the claims about lost entropy ask for: a ReLU network of the paper's begins to lose it after
// some hundred updates and is done after some thousand.
const leastUpdates = 2000

// settled takes the verdict back where the networks were trained too little for it.
func settled(trials [][]*trial, o *claims.Outcome) *claims.Outcome {
	if n := trials[0][0].Updates; n < leastUpdates {
		o.Verdict, o.Why = claims.Inconclusive, fmt.Sprintf("%d updates are too few for the entropy to fall, which takes %d", n, leastUpdates)
	}
	return o
}

// relative returns which part of its entropy each layer lost, from the first epoch to the last.
func (t *trial) relative() []float64 {
	first, last := t.Entropy[0], t.Entropy[len(t.Entropy)-1]
	out := make([]float64, len(first))
	for i := range out {
		out[i] = (first[i] - last[i]) / first[i]
	}
	return out
}

func named(what string, o *claims.Outcome) *claims.Outcome {
	o.Why = what + ": " + o.Why
	return o
}

// sharpest is P4.6.
func sharpest(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	trials, err := profiles(ctx, lab)
	if err != nil {
		return nil, err
	}
	o := settled(trials, judgeSharpest(trials))
	o.Setup = profileSetup
	o.Predicted = "ReLU loses the largest part of its entropy (the paper: 19 to 26% against 4 to 11% at slope 0.4)"
	o.Measured = "entropy lost by layer, in %: " + lossByLayer(trials)
	return o, nil
}

// judgeSharpest compares the mean relative loss of the wide layers at slope 0 with the largest at another slope.
func judgeSharpest(trials [][]*trial) *claims.Outcome {
	margin := make([]float64, len(trials[0]))
	for k := range margin {
		next := math.Inf(-1)
		for i := 1; i < len(trials); i++ {
			next = max(next, claims.Mean(trials[i][k].relative()[:wideLayers]))
		}
		margin[k] = claims.Mean(trials[0][k].relative()[:wideLayers]) - next
	}
	return claims.TestTrend(margin, claims.Above, 0)
}
