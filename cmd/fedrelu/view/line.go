package view

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

// RoundLine is the plain line of a round: what pipes get. What was not measured is left out of it.
func RoundLine(r *record.RoundHistory, goal int) string {
	parts := []string{roundOf(r.Number, goal)}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if r.TestLoss != nil {
		add("loss %s", loss(r.TestLoss))
	}
	if r.TestAccuracy != nil {
		add("acc %.4f", *r.TestAccuracy)
	}
	if r.TrainLoss != nil {
		add("train_loss %s", loss(r.TrainLoss))
	}
	if d := driftOf(r.Measured); d != nil && d.DriftRel != nil {
		add("drift_rel %.2f", *d.DriftRel)
	}
	if ranks := effectiveRanks(r.Measured); len(ranks) > 0 {
		add("eff_rank %s", strings.Join(firstRanks(ranks, 6), " "))
	}
	if r.Number > 0 {
		add("%s", Seconds(r.Total()))
		add("up %s down %s", Bytes(r.BytesUp), Bytes(r.BytesDown))
	}
	if n := len(r.Missing); n > 0 {
		add("without %s%s", plural(n, "shard"), whyAbsent(r.Absent))
	}
	return strings.Join(parts, gap)
}

// whyAbsent counts the missing shards by the first words of the reasons: (2 late, 1 diverged).
func whyAbsent(absent []record.Absent) string {
	var kinds []string
	count := make(map[string]int)
	for _, a := range absent {
		kind, _, _ := strings.Cut(a.Reason, ":")
		if count[kind] == 0 {
			kinds = append(kinds, kind)
		}
		count[kind] += len(a.Shards)
	}
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", count[kind], plain(kind))
	}
	if len(kinds) == 0 {
		return ""
	}
	return " (" + strings.Join(kinds, ", ") + ")"
}

// roundOf writes 7/100, as wide as 100/100.
func roundOf(n, goal int) string {
	return fmt.Sprintf("round %*d/%d", len(strconv.Itoa(goal)), n, goal)
}

func driftOf(m *record.Measured) *record.Drift {
	if m == nil {
		return nil
	}
	return m.Drift
}

// effectiveRanks returns the effective ranks of the layers whose spectrum is known, in their order.
func effectiveRanks(m *record.Measured) []float64 {
	if m == nil {
		return nil
	}
	var ranks []float64
	for _, l := range m.Layers {
		if l.Spectrum != nil {
			ranks = append(ranks, l.Spectrum.EffectiveRank)
		}
	}
	return ranks
}

// firstRanks writes at most n ranks.
func firstRanks(ranks []float64, n int) []string {
	var out []string
	for i, r := range ranks {
		if i == n {
			return append(out, "..")
		}
		out = append(out, rank(r))
	}
	return out
}

// meanRank is the "average rank": over all layers but the last one, which has as many outputs as there are classes.
func meanRank(ranks []float64) float64 {
	if len(ranks) > 1 {
		ranks = ranks[:len(ranks)-1]
	}
	sum := 0.0
	for _, r := range ranks {
		sum += r
	}
	return sum / float64(len(ranks))
}
