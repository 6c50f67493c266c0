package study

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// sayCrossovers says by weight what the law of 7b (Result D) predicts of the ranks beside it: "sample_size" is a = lr ||delta|| ||f|| / B,
// the mean size of one example's update on the shard's probe at the average model, of each shard and as their mean; "crossover" is
// eps* = (a/F) K^(-K/(K-1)), F being the average's Frobenius norm and K the participants. Above eps* averaging lowers the eps-rank,
// below it raises it.
func (m *measurement) sayCrossovers(ctx context.Context) error {
	if reason := m.lawless(); reason != "" {
		m.miss("crossover", reason)
		return nil
	}
	sizes := make(map[string][]float64) // by weight, of each shard
	for _, k := range m.Shards {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("gradients of shard %d: %w", k, err)
		}
		meter := m.driftMeter()
		batch := meter.load(k) // first: the machine may grow
		step := m.Job.Local.RateIn(m.Plan.Round) / float64(m.noiseBatch(k))
		for _, s := range noise.SampleSizes(meter.machine, m.layout(), m.model, batch) {
			m.say("sample_size", of(k).against(m.Model()).in(s.Name), step*s.Mean)
			sizes[s.Name] = append(sizes[s.Name], step*s.Mean)
		}
	}
	for _, v := range m.weightViews() {
		m.sayCrossover(v, m.mean(sizes[v.Name]))
	}
	return nil
}

func (m *measurement) sayCrossover(v tensor.View, size float64) {
	at := m.average().in(v.Name)
	m.say("sample_size", at, size)
	if matches(m.Job.Local.Freeze, v.Name) {
		m.miss("crossover", v.Name+": the weight is frozen")
		return
	}
	square := 0.0
	for _, w := range tensor.Of(m.model, v) {
		square += float64(float64(w) * float64(w))
	}
	eps, reason := theory.Crossover(size, math.Sqrt(square), len(m.Plan.Tasks))
	m.sayIf("crossover", at, eps, reason)
}
