package study

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
)

// measureHeterogeneity says M8: "heterogeneity", zeta^2 by split halves, and "heterogeneity.naive".
func measureHeterogeneity(ctx context.Context, m *measurement) error {
	h, reason, err := m.heterogeneity(ctx)
	if err != nil {
		return err
	}
	if reason != "" {
		m.miss("heterogeneity", reason)
		return nil
	}
	const none = "no shard was measured"
	m.sayIf("heterogeneity", m.average(), h.SplitHalf(), none)
	m.sayIf("heterogeneity.naive", m.average(), h.Naive(), none)
	return nil
}

func (m *measurement) heterogeneity(ctx context.Context) (h *analysis.Heterogeneity, reason string, err error) {
	if m.halves != nil {
		return m.halves, "", nil
	}
	if len(m.Shards) < 2 {
		return nil, "one shard is measured", nil
	}
	h = analysis.NewHeterogeneity(len(m.model))
	for i, k := range m.Shards {
		if err := ctx.Err(); err != nil {
			return nil, "", fmt.Errorf("gradients of shard %d: %w", k, err)
		}
		a, b := m.driftMeter().Halves(k, m.model)
		if a == nil {
			return nil, fmt.Sprintf("the probe of shard %d has no two halves", k), nil
		}
		h.Add(m.weights[i], a, b)
	}
	m.halves = h
	return h, "", nil
}

// measurePrediction says what the law of P6.6 makes of noise and heterogeneity: "sigma2" and "zeta2", "divergence.predicted" beside
// "divergence.measured" (M6), and "overtaking_steps", H* = sigma^2/(B zeta^2).
func measurePrediction(ctx context.Context, m *measurement) error {
	if reason := m.lawless(); reason != "" {
		m.miss(string(Prediction), reason)
		return nil
	}
	h, reason, err := m.heterogeneity(ctx)
	if err != nil {
		return err
	}
	if reason != "" {
		m.miss(string(Prediction), reason)
		return nil
	}
	spread := theory.Spread{Zeta2: *h.SplitHalf()}
	if spread.Sigma2, err = m.sigma2(ctx); err != nil {
		return err
	}
	d := m.dynamics()
	m.say("sigma2", whole, spread.Sigma2)
	m.say("zeta2", m.average(), spread.Zeta2)
	m.say("divergence.predicted", m.average(), spread.Divergence(m.Job.Local.RateIn(m.Plan.Round), d))
	m.say("divergence.measured", m.average(), m.divergence())
	steps, reason := spread.Overtaking(d.Batch)
	m.sayIf("overtaking_steps", m.average(), steps, reason)
	return nil
}

// lawless returns why the law says nothing; empty if it does.
func (m *measurement) lawless() string {
	if reason := m.plainSGD(); reason != "" {
		return reason
	}
	if m.Job.Local.ProxMu != 0 {
		return "fedprox pulls local models together"
	}
	if m.Job.Local.ClipNorm != 0 {
		return "gradients are clipped"
	}
	return ""
}

// sigma2 returns the mean variance of one example's gradient.
func (m *measurement) sigma2(ctx context.Context) (float64, error) {
	var all []float64
	for _, k := range m.Shards {
		n, err := m.gradientNoise(ctx, k)
		if err != nil {
			return 0, err
		}
		all = append(all, theory.Sigma2(n.Spread, m.noiseBatch(k)))
	}
	return m.mean(all), nil
}

// dynamics returns K, H and B of the round, the means over the measured shards of what differs between them.
func (m *measurement) dynamics() theory.Dynamics {
	var steps, batches []float64
	for i, k := range m.Shards {
		steps = append(steps, float64(m.Job.Steps(m.task(i))))
		batches = append(batches, float64(m.batch(len(m.Job.Shards[k]))))
	}
	return theory.Dynamics{Workers: len(m.Plan.Tasks), Steps: rounded(m.mean(steps)), Batch: rounded(m.mean(batches))}
}

func rounded(x float64) int { return max(1, int(x+0.5)) }

// divergence returns V of the measured local models (M6).
func (m *measurement) divergence() float64 {
	var all []float64
	for _, end := range m.ends {
		square := 0.0
		for i := range m.layout().Len() {
			v := m.layout().At(i)
			for j := v.Offset; j < v.Offset+v.Size && !v.Buffer; j++ {
				d := float64(end[j]) - float64(m.model[j])
				square += d * d
			}
		}
		all = append(all, square)
	}
	return m.mean(all)
}
