package localsteps

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// driftSplits are the ways to split T2's data whose drift is compared, IID and not.
var driftSplits = []struct{ name, change string }{
	{"IID", "shards.partition={iid: {}}"}, {"two digits a shard", "shards.partition={label_shards: {per_shard: 2}}"},
}

// drifting is a training of T2: by round, its drift and what drift_rel divides by (M5).
type drifting struct{ drift, relative []float64 }

// mnistDrifts trains T2 on both splits, once for P6.2 and P6.8: by split and seed.
func mnistDrifts(ctx context.Context, lab *claims.Lab) ([2][]drifting, error) {
	return claims.Once(lab, "localsteps drifts on MNIST", func() ([2][]drifting, error) {
		seeds := lab.Seeds()
		out := [2][]drifting{make([]drifting, len(seeds)), make([]drifting, len(seeds))}
		err := lab.Each(ctx, 2*len(seeds), func(ctx context.Context, i int) (err error) {
			out[i%2][i/2], err = driftsOf(ctx, lab, driftSplits[i%2].change, seeds[i/2])
			return err
		})
		return out, err
	})
}

func driftsOf(ctx context.Context, lab *claims.Lab, split string, seed uint64) (drifting, error) {
	size := lab.Yielding(claims.Pick(lab, []string{"rounds=5"}, []string{"rounds=20"}, nil)...)
	s, err := lab.Setting("P6.8", append(size, fmt.Sprintf("seed=%d", seed), split)...)
	if err != nil {
		return drifting{}, err
	}
	x := newExperiment[float32](s)
	model := x.start()
	var out drifting
	for r := 1; r <= s.Spec.Rounds; r++ {
		ends, next, err := x.round(ctx, r, model)
		if err != nil {
			return out, err
		}
		drift, relative := x.driftAndRelative(ends, next)
		out.drift, out.relative, model = append(out.drift, drift), append(out.relative, relative), next
	}
	return out, nil
}

// heterogeneous is P6.8.
func heterogeneous(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	all, err := mnistDrifts(ctx, lab)
	if err != nil {
		return nil, err
	}
	var drifts [2][][]float64
	for side, runs := range all {
		for _, d := range runs {
			drifts[side] = append(drifts[side], d.drift)
		}
	}
	o := judgeHeterogeneous(drifts)
	o.Setup = fmt.Sprintf("T2: the spec's perceptron on MNIST, ten shards, %d rounds, %d paired seeds, drift on whole shards", len(drifts[0][0]), len(drifts[0]))
	o.Predicted = "absolute drift is larger on shards of two digits than on IID shards"
	if o.Effect != nil {
		o.Measured = fmt.Sprintf("%.1f times as large, mean over the rounds", math.Exp(*o.Effect))
	}
	drawDrifts(lab, all)
	return o, nil
}

// judgeHeterogeneous compares mean drifts in pairs, as logarithms of their ratios.
func judgeHeterogeneous(drifts [2][][]float64) *claims.Outcome {
	ratios := make([]float64, len(drifts[0]))
	for k := range ratios {
		ratios[k] = math.Log(claims.Mean(drifts[1][k]) / claims.Mean(drifts[0][k]))
	}
	return claims.TestTrend(ratios, claims.Above, 0)
}

// relativeOnMNIST draws drift_rel of T2 beside P6.2, and tells how far it rises over the first round's: it divides by a gradient that
// training makes small, so that there is no verdict in it.
func relativeOnMNIST(ctx context.Context, lab *claims.Lab) (string, error) {
	if _, err := lab.Setting("P6.8"); err != nil {
		return "T2 was not measured: " + err.Error(), nil
	}
	all, err := mnistDrifts(ctx, lab)
	if err != nil {
		return "", err
	}
	drawDrifts(lab, all)
	text := "T2 (no verdict), the largest drift_rel over the first:"
	for side, runs := range all {
		rise := 0.0
		for _, d := range runs {
			var most claims.Worst
			for _, v := range d.relative {
				most.Add(v / d.relative[0])
			}
			rise += most.Value() / float64(len(runs))
		}
		text += fmt.Sprintf(" %s %.1f,", driftSplits[side].name, rise)
	}
	return text[:len(text)-1], nil
}
