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
	if mean := effectiveRank(r.Measured); mean != nil {
		add("eff_rank %s", rank(*mean))
	}
	if r.Number > 0 {
		add("%s", Seconds(r.Total()))
		add("up %s down %s", Bytes(r.BytesUp), Bytes(r.BytesDown))
	}
	if r.Asynchronous() {
		mean, most := r.Staleness()
		add("staleness %.1f, at most %d", mean, most)
	}
	if n := len(r.Discarded); n > 0 {
		add("%s too old", plural(n, "update"))
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

// effectiveRank returns the mean of the effective ranks over all weights but the last, which has as many outputs as there are
// classes (M9); of those whose singular values are known. nil if there is none.
func effectiveRank(m *record.Measured) *float64 {
	if m == nil {
		return nil
	}
	layers := m.Layers
	if len(layers) > 1 {
		layers = layers[:len(layers)-1]
	}
	sum, n := 0.0, 0
	for _, l := range layers {
		if l.Spectrum != nil {
			sum += l.Spectrum.EffectiveRank
			n++
		}
	}
	if n == 0 {
		return nil
	}
	mean := sum / float64(n)
	return &mean
}
