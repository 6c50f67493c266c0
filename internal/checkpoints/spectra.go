package checkpoints

import (
	"fmt"
	"strconv"

	"github.com/fedrelu/fedrelu/analysis"
)

// sayLayers says M9 of each weight, and without a layer the means over all weights but the last.
func (m *meter) sayLayers(at Place, layers []analysis.Layer) {
	for _, l := range layers {
		if l.Spectrum == nil {
			m.sayIf("rank", at.in(l.Name), nil)
			m.note(fmt.Sprintf("no ranks of %s: %s", l.Name, l.Reason))
			continue
		}
		m.saySpectrum(at.in(l.Name), l.Spectrum)
	}
	mean, _ := analysis.AverageRanks(layers)
	if mean == nil {
		return
	}
	m.say("rank", at, mean.Rank)
	for i, eps := range analysis.Epsilons() {
		m.say(rankAt(eps), at, mean.Ranks[i])
	}
	m.say("stable_rank", at, mean.StableRank)
	m.say("effective_rank", at, mean.EffectiveRank)
}

func (m *meter) saySpectrum(at Place, s *analysis.Spectrum) {
	m.say("rank", at, float64(s.Rank))
	for i, eps := range analysis.Epsilons() {
		m.say(rankAt(eps), at, float64(s.Ranks[i]))
	}
	m.say("stable_rank", at, s.StableRank)
	m.say("effective_rank", at, s.EffectiveRank)
	m.say("roy_vetterli_rank", at, s.RoyVetterli)
	m.say("frobenius", at, s.Frobenius)
	m.say("spectral", at, s.Spectral)
	for _, k := range []int{1, 2, 3, 4, 5, 10} {
		m.say(fmt.Sprintf("energy.%d", k), at, analysis.Energy(s.Values, k))
	}
}

// rankAt is the name of the eps-rank at eps.
func rankAt(eps float64) string { return "rank." + strconv.FormatFloat(eps, 'g', -1, 64) }
