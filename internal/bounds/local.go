package bounds

import (
	"slices"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/coordinator/record"
)

// Local bounds the eps-rank of a weight of one local model at the end of its round (PAPERS.md 1.3.3): of its own steps it remembers its
// own examples, of earlier rounds those of all participants. With B examples a step and n steps until what was there before is
// below eps that is m B (min(h, n) + K max(0, n-h)) after h steps.
type Local struct {
	Shard       int
	Rank        int // measured, at the same threshold
	Certificate Certificate
}

// end is a weight of a local model as checks.local_ranks measured it.
type end struct {
	layer           string
	shard           int
	rank, frobenius *float64
}

// ends returns the local models' weights that a record has, in its order.
func ends(m *record.Measured) []end {
	type key struct {
		layer string
		shard int
	}
	var all []end
	at := make(map[key]int)
	for _, r := range m.Readings {
		if r.Shard == study.Average || r.Step != study.Whole || r.Layer == "" || r.Quantity != "rank" && r.Quantity != "frobenius" {
			continue
		}
		i, known := at[key{r.Layer, r.Shard}]
		if !known {
			i = len(all)
			at[key{r.Layer, r.Shard}] = i
			all = append(all, end{layer: r.Layer, shard: r.Shard})
		}
		if r.Quantity == "rank" {
			all[i].rank = &r.Value
		} else {
			all[i].frobenius = &r.Value
		}
	}
	return slices.DeleteFunc(all, func(e end) bool { return e.rank == nil || e.frobenius == nil })
}

// locals certifies the local models of a round that was not passed yet, by name of the tensor. Weights whose singular values were never
// measured at the end of a round have nothing to begin with.
func (f *Follower) locals(r *record.RoundHistory, p passed) map[string][]Local {
	all := make(map[string][]Local)
	for _, e := range ends(r.Measured) {
		t := f.traces[e.layer]
		if t == nil {
			continue
		}
		one := Local{Shard: e.shard, Rank: int(*e.rank)}
		one.Certificate = t.certifyLocal(&f.course, p, slices.Index(r.Participants, e.shard), one.Rank, *e.frobenius)
		all[e.layer] = append(all[e.layer], one)
	}
	return all
}

// certifyLocal bounds the rank of the i-th participant's model: the last span is its own, from where the average was measured last.
func (t *trace) certifyLocal(c *course, p passed, i, rank int, frobenius float64) Certificate {
	reason := t.excludes(c)
	switch {
	case reason != "":
	case i < 0:
		reason = "the record does not say that the shard took part"
	case p.own == nil:
		reason = "the record does not say how many examples each participant took"
	}
	if reason != "" {
		return Certificate{Reason: "not applicable: " + reason}
	}
	memory := theory.Memory{WeightDecay: t.decay, Proximal: t.proximal}
	own := t.open
	own.Decay *= memory.Local(slices.Repeat([]float64{p.lr}, p.steps[i]))
	own.Samples += p.own[i]
	spans := append(slices.Clone(t.spans), own)
	counts := append(slices.Clone(t.counts), count{t.since.rounds + 1, t.since.steps + p.steps[i], t.since.unequal})
	bound := theory.Certify(t.layer, spans, frobenius, c.spec.Rank.Epsilon)
	return newCertificate(bound, length(counts, bound.N), rank)
}
