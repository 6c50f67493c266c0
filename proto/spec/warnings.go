package spec

import (
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
)

// leastDecay is the least share of a weight that a step may take by weight decay without a word: float32 keeps 24 bits.
const leastDecay = 1e-6

// Warnings says what the spec asks for, is allowed, and may not be what was meant: a line each, beginning with the key.
func (s *Spec) Warnings() []string { return slices.Concat(s.decayWarnings(), s.attackWarnings()) }

// attackWarnings says that updates are falsified.
func (s *Spec) attackWarnings() []string {
	attackers := 0
	for _, attacks := range s.Byzantine.Attackers(s.Seed, s.Shards.Count) {
		if attacks {
			attackers++
		}
	}
	if attackers == 0 {
		return nil
	}
	return []string{fmt.Sprintf("faults.byzantine: %d of %d shards attack by %s, as the spec asks for", attackers, s.Shards.Count, s.Byzantine.Attack.Name())}
}

func (s *Spec) decayWarnings() []string {
	name, lr, decay := "sgd", s.Local.SGD.LR, s.Local.SGD.WeightDecay
	if a := s.Local.AdamW; a != nil {
		name, lr, decay = "adamw", a.LR, a.WeightDecay
	}
	share := lr * decay
	if share <= 0 || share >= leastDecay || s.Precision == localsgd.Float64 {
		return nil
	}
	return []string{fmt.Sprintf("local.optimizer.%s.weight_decay: a step takes lr x weight_decay = %.2g of a weight, and float32 rounds weights to "+
		"about 6e-08 of themselves: below %g decay is inexact, below 3e-08 nothing may be left of it", name, share, leastDecay)}
}
