package analysis

// MeanRanks are means over a network's weights but the last, its classifier (M9: "average rank"), first layer and shortcuts
// included.
type MeanRanks struct {
	Rank          float64    // at RankOptions.Epsilon
	Ranks         [3]float64 // at Epsilons
	StableRank    float64
	EffectiveRank float64
}

// AverageRanks returns the means over all layers but the last one; nil with a reason if there is no other or one of them was not
// measured.
func AverageRanks(layers []Layer) (*MeanRanks, string) {
	if len(layers) < 2 {
		return nil, "the network has no weight but the last"
	}
	var m MeanRanks
	n := float64(len(layers) - 1)
	for _, l := range layers[:len(layers)-1] {
		s := l.Spectrum
		if s == nil {
			return nil, l.Name + ": " + l.Reason
		}
		m.Rank += float64(s.Rank) / n
		m.StableRank += s.StableRank / n
		m.EffectiveRank += s.EffectiveRank / n
		for i, rank := range s.Ranks {
			m.Ranks[i] += float64(rank) / n
		}
	}
	return &m, ""
}
