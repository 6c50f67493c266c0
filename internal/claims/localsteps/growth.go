package localsteps

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// The local steps of T2 in the claims about growth, and its splits of the data.
var (
	t2Steps = []int{1, 5, 20, 50}
	arms    = []arm{
		{"IID, whole shards", []string{"local.batch=0"}, 2, 0.15},
		{"two digits a shard, batch 10", []string{"shards.partition={label_shards: {per_shard: 2}}"}, 2, 0.15},
		{"IID, batch 10", nil, 1, 0.35},
	}
)

// arm is a way to split and walk through the data, and the slope of log V over log H that it has to have.
type arm struct {
	name      string
	changes   []string
	slope     float64
	tolerance float64
}

// growth is P6.6.
func growth(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	seeds := lab.Seeds()
	results := make([]grown, len(arms))
	for a := range results {
		results[a] = grown{arm: arms[a], v: make([][]float64, len(seeds)), drift: make([][]float64, len(seeds))}
	}
	err := lab.Each(ctx, len(arms)*len(seeds), func(ctx context.Context, i int) error {
		a, k := i/len(seeds), i%len(seeds)
		for _, steps := range t2Steps {
			v, drift, err := firstOfMNIST(ctx, lab, steps, arms[a].changes, seeds[k])
			if err != nil {
				return fmt.Errorf("%s, %d steps: %w", arms[a].name, steps, err)
			}
			results[a].v[k], results[a].drift[k] = append(results[a].v[k], v), append(results[a].drift[k], drift)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	o := judgeGrowth(results)
	o.Setup = fmt.Sprintf("T2: the spec's perceptron on MNIST, ten shards, round 1, H %v, %d seeds", t2Steps, len(seeds))
	o.Predicted = "log V over log H: 2 +- 0.15 for whole shards and for shards of two digits, 1 +- 0.35 for IID mini-batches"
	o.Measured = describeGrowth(results)
	drawGrowth(lab, results)
	return o, nil
}

// grown is what came of an arm, by seed and number of steps.
type grown struct {
	arm
	v, drift [][]float64
}

// slopesOf returns the slope of the logarithms over log H, by seed.
func slopesOf(bySeed [][]float64) []float64 {
	out := make([]float64, len(bySeed))
	for k, values := range bySeed {
		var x, y []float64
		for i, v := range values {
			x, y = append(x, math.Log(float64(t2Steps[i]))), append(y, math.Log(v))
		}
		out[k] = claims.Slope(x, y)
	}
	return out
}

func judgeGrowth(results []grown) *claims.Outcome {
	var parts []*claims.Outcome
	for _, r := range results {
		off := slopesOf(r.v)
		for i := range off {
			off[i] = math.Abs(off[i] - r.slope)
		}
		o := claims.TestTrend(off, claims.Below, r.tolerance)
		o.Why = r.name + ", distance from the slope: " + o.Why
		parts = append(parts, o)
	}
	return claims.All(parts...)
}

// upTo returns the values of the first n numbers of steps. Where local training comes to its end the law does, too.
func upTo(bySeed [][]float64, n int) [][]float64 {
	out := make([][]float64, len(bySeed))
	for k := range out {
		out[k] = bySeed[k][:n]
	}
	return out
}

func describeGrowth(results []grown) string {
	text := ""
	for _, r := range results {
		v, _, _ := claims.Interval(slopesOf(r.v))
		drift, _, _ := claims.Interval(slopesOf(r.drift))
		early, _, _ := claims.Interval(slopesOf(upTo(r.v, len(t2Steps)-1)))
		text += fmt.Sprintf("%s: V %.2f (%.2f up to H = %d), drift %.2f; ", r.name, v, early, t2Steps[len(t2Steps)-2], drift)
	}
	return text[:len(text)-2]
}

// firstOfMNIST returns V and the drift of the first round of T2.
func firstOfMNIST(ctx context.Context, lab *claims.Lab, steps int, changes []string, seed uint64) (v, drift float64, err error) {
	s, err := lab.Setting("P6.6", append([]string{fmt.Sprintf("seed=%d", seed), fmt.Sprintf("local.steps=%d", steps)}, changes...)...)
	if err != nil {
		return 0, 0, err
	}
	x := newExperiment[float32](s)
	ends, mean, err := x.round(ctx, 1, x.start())
	if err != nil {
		return 0, 0, err
	}
	return divergence(ends, mean), x.drift(ends, mean), nil
}
