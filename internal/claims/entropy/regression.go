package entropy

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

var regressionSlopes = []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6}

// offset is the mean of the inputs of P4's regression, whose standard deviation is 1.
const offset = 4

// regression is P4.3.
func regression(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	small := lab.Yielding(claims.Pick(lab, []string{"data.synthetic.linear.train=1000", "shards.limit=1000", "model.mlp.hidden=[32, 128, 128, 32]"}, nil, nil)...)
	seeds := claims.Seeds(claims.Pick(lab, 5, 10, 20))
	loss := table{slopes: regressionSlopes}
	for range regressionSlopes {
		loss.values = append(loss.values, make([]float64, len(seeds)))
	}
	err := lab.Each(ctx, len(regressionSlopes)*len(seeds), func(ctx context.Context, n int) error {
		i, k := n/len(seeds), n%len(seeds)
		changes := append([]string{leaky(regressionSlopes[i]), fmt.Sprintf("seed=%d", seeds[k])}, small...)
		s, err := lab.Setting("P4.3", changes...)
		if err != nil {
			return err
		}
		job := *s.Job
		if job.Data, err = exponential(job.Data); err != nil {
			return err
		}
		t, err := train(ctx, &claims.Setting{Spec: s.Spec, Job: &job, Algorithm: s.Algorithm})
		if err != nil {
			return fmt.Errorf("training P4.3 at slope %v: %w", regressionSlopes[i], err)
		}
		loss.values[i][k] = t.Loss
		return nil
	})
	if err != nil {
		return nil, err
	}
	o := judgeRegression(loss)
	o.Setup = fmt.Sprintf("regression on exp(linear/max)/max of inputs N(4, 1), whole batches, %d slopes, %d paired seeds", len(regressionSlopes), o.Seeds)
	o.Predicted = "validation loss rises with the slope on [0, 0.6] (Spearman >= 0.8)"
	o.Measured = "loss " + bySlope(loss, "%.2e")
	drawRegression(lab, loss)
	writeDown(lab, "entropy-regression", loss)
	return o, nil
}

// judgeRegression holds where the loss at the largest slope exceeds that of ReLU in pairs, and the means rise in between.
func judgeRegression(t table) *claims.Outcome {
	ends := claims.TestTrend(t.perSeed(func(loss []float64) float64 { return loss[len(loss)-1] - loss[0] }), claims.Above, 0)
	rise := claims.TestTrend(t.correlations(), claims.Above, leastCorrelation)
	rise.Why = fmt.Sprintf("Spearman of slope and mean loss, %.2f: %s", claims.Spearman(t.slopes, t.means()), rise.Why)
	o := claims.All(ends, rise)
	o.Seeds = len(t.values[0])
	return o
}

// exponential makes P4's data of a linear regression's, whose inputs have the variance 1/width: inputs become N(4, 1), and a
// target t becomes exp(t/max|t|)/e, with the maximum over the training set.
func exponential(data shard.Data) (shard.Data, error) {
	if data.Train.Outputs != 1 || data.Train.Targets == nil || data.Train.Values == nil {
		return data, fmt.Errorf("data: P4.3 makes its targets of those of a linear regression with one output (data.synthetic.linear)")
	}
	largest := 0.0
	for _, t := range data.Train.Targets {
		largest = max(largest, math.Abs(float64(t)))
	}
	return shard.Data{Train: bent(data.Train, largest), Test: bent(data.Test, largest)}, nil
}

func bent(s *shard.Set, largest float64) *shard.Set {
	out := *s
	out.Values, out.Targets = make([]float32, len(s.Values)), make([]float32, len(s.Targets))
	spread := math.Sqrt(float64(s.Size()))
	for i, x := range s.Values {
		out.Values[i] = float32(offset + float64(x)*spread)
	}
	for i, t := range s.Targets {
		out.Targets[i] = float32(math.Exp(float64(t)/largest - 1))
	}
	return &out
}
