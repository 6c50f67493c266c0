package study

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
)

// measureUpdates compares each update d_k with the mean update: "update.norm", "update.cosine" of each shard and their mean,
// "update.diversity", "update.norm_ratio".
func measureUpdates(_ context.Context, m *measurement) error {
	var updates []analysis.Update
	for i, k := range m.Shards {
		u, err := analysis.CompareUpdate(k, m.layout(), m.start, m.ends[i], m.model)
		if err != nil {
			return fmt.Errorf("shard %d: %w", k, err)
		}
		u.Weight = m.weights[i]
		updates = append(updates, u)
	}
	all, err := analysis.CombineUpdates(updates)
	if err != nil {
		return fmt.Errorf("of all shards: %w", err)
	}
	const none = "the update or the mean update is 0"
	for i, k := range m.Shards {
		m.say("update.norm", of(k), updates[i].Norm)
		m.sayIf("update.cosine", of(k).against(m.Model()), all.Cosines[i], none)
	}
	m.say("update.norm", m.average(), updates[0].Mean)
	m.sayIf("update.cosine", m.average(), all.Cosine, none)
	m.sayIf("update.diversity", m.average(), all.Diversity, none)
	m.sayIf("update.norm_ratio", m.average(), all.NormRatio, none)
	return nil
}
