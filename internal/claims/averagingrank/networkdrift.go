package averagingrank

import (
	"context"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
)

const networkTotal = 100 // local steps of a network's run in the panel on invariance

// networkDrift runs networks beside the linear models: every worker goes through its examples in one order, so that all H have the
// same mini-batches. Nothing rests on it: where the user's spec is of another kind it draws nothing.
func networkDrift(ctx context.Context, lab *claims.Lab) ([]drifted, error) {
	var out []drifted
	for _, n := range []struct {
		name    string
		changes []string
	}{
		{"plain network", []string{"model.mlp.norm=none"}},
		{"plain network, shards by label", []string{"model.mlp.norm=none", "shards.partition={label_shards: {per_shard: 1}}"}},
		{"LayerNorm network", nil},
	} {
		s, err := lab.Setting("P1.12c", append(n.changes, "shards.count=4", "local.order=cyclic")...)
		if err != nil {
			return nil, nil //nolint:nilerr // see above
		}
		points, err := overSteps(ctx, n.name, invarianceSteps, func(h int) *localsgd.Runner { return withSteps(s, h).Runner() }, networkTotal)
		if err != nil {
			return nil, err
		}
		out = append(out, points...)
	}
	return out, nil
}

// withSteps returns the setting with so many local steps.
func withSteps(s *claims.Setting, h int) *claims.Setting {
	job := *s.Job
	job.Local.Schedule.Steps = h
	return &claims.Setting{Spec: s.Spec, Job: &job, Algorithm: s.Algorithm}
}
