package analysis

import "testing"

func TestAverageRanks(t *testing.T) {
	layer := func(rank int) Layer {
		return Layer{Name: "w", Spectrum: &Spectrum{Rank: rank, Ranks: [3]int{rank, 2 * rank, 3 * rank}, StableRank: 0.5, EffectiveRank: float64(rank)}}
	}
	m, reason := AverageRanks([]Layer{layer(1), layer(4), layer(100)})
	if reason != "" || *m != (MeanRanks{2.5, [3]float64{2.5, 5, 7.5}, 0.5, 2.5}) {
		t.Errorf("%+v, %q", m, reason)
	}
	for want, layers := range map[string][]Layer{
		"the network has no weight but the last": {layer(1)},
		"a: not finite":                          {{Name: "a", Reason: "not finite"}, layer(1)},
	} {
		if m, reason := AverageRanks(layers); m != nil || reason != want {
			t.Errorf("%q, want %q", reason, want)
		}
	}
}
