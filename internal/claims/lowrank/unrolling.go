package lowrank

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// unrolling is P1.6: W_T = rho^n W_{T-n} - lr sum_j rho^{j-1} G_{T-j}, from gradients that are computed again at every step.
func unrolling(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	s, err := lab.Setting("P1.6", "shards.count=1", "local.steps=1")
	if err != nil {
		return nil, err
	}
	in64, err := unrollingError[float64](ctx, s, rho(s))
	if err != nil {
		return nil, err
	}
	in32, err := unrollingError[float32](ctx, s, rho(s))
	if err != nil {
		return nil, err
	}
	o := claims.All(in64.all().Test(bound64), in32.all().Test(bound32))
	o.Setup = fmt.Sprintf("%d steps of SGD, batch %d, lr wd = %.3g, every hidden weight", s.Spec.Rounds, s.Job.Local.Schedule.Batch, 1-rho(s))
	o.Predicted = "relative error 0"
	o.Measured = fmt.Sprintf("relative error at most, float64: %v; float32: %v", in64, in32)
	return o, nil
}

// rho is what a step leaves of the weight: 1 - lr wd.
func rho(s *claims.Setting) float64 {
	return 1 - s.Job.Local.SGD.LR*s.Job.Local.SGD.WeightDecay
}

// unrollingError returns the relative error of the identity for every kind of layer, with a factor that is rho in the claim.
func unrollingError[F float32 | float64](ctx context.Context, s *claims.Setting, factor float64) (worst, error) {
	steps := s.Spec.Rounds
	path, err := models[F](ctx, s, steps)
	if err != nil {
		return nil, err
	}
	sum := make([]float64, len(path[0]))
	for i, v := range path[0] {
		sum[i] = float64(v)
	}
	for step := 1; step <= steps; step++ {
		g := gradient(s, path[step-1], batch(s, step))
		for i := range sum {
			sum[i] = factor*sum[i] - s.Job.Local.SGD.LR*float64(g[i])
		}
	}
	out := worst{}
	for _, l := range layersOf(s.Job.Net) {
		want := tensor.Of(path[steps], l.View)
		difference, size := make([]float64, l.Size), make([]float64, l.Size)
		for i, v := range tensor.Of(sum, l.View) {
			difference[i], size[i] = v-float64(want[i]), float64(want[i])
		}
		out.add(l.kind, norm(difference)/norm(size))
	}
	return out, nil
}
