package localsteps

import "github.com/fedrelu/fedrelu/internal/claims"

const source = "Deng, Kamani, Mahdavi 2022"

// Paper returns the claims.
func Paper() claims.Paper {
	p := claims.Paper{Name: "local-sgd", Title: "Local SGD on ReLU networks (Deng, Kamani, Mahdavi 2022)", Claims: []claims.Claim{
		{ID: "P6.1", Kind: claims.Trend, Source: source + ", abstract", Evidence: "verified; the geometric form from memory", Measure: geometric,
			Text: "Local gradient descent takes the training loss of a wide ReLU network towards 0, geometrically in rounds."},
		{ID: "P6.2", Kind: claims.Trend, Source: source + ", abstract", Evidence: "verified in words, the number derived", Measure: bounded,
			Text: "Gradients at local models stay as close to the gradient at their average as in the first round, within half as much again."},
		{ID: "P6.3", Kind: claims.Trend, Source: source + ", introduction", Evidence: "verified in words, the statistic derived", Measure: smoothness,
			Text: "Gradients of ReLU networks are not Lipschitz: over small distances they change irregularly, those of smooth networks in proportion."},
		{ID: "P6.4", Kind: claims.Exact, Source: "own lemma on the setting of " + source, Evidence: "derived", Measure: inequality,
			Text: "The difference of two gradients is at most a smooth part in proportion to the distance and a part from the gates that flipped."},
		{ID: "P6.5", Kind: claims.Trend, Source: "own law on the setting of " + source, Evidence: "derived", Measure: flipping,
			Text: "Fewer gates flip in wider networks, about as 1/sqrt(width), and more with more or longer local steps."},
		{ID: "P6.6", Kind: claims.Trend, Source: "own law", Evidence: "derived", Measure: growth,
			Text: "The divergence of local models grows with the square of the local steps where shards or whole-shard gradients drive it, and linearly where noise does."},
		{ID: "P6.7", Kind: claims.Drawn, Source: source + ", experiments", Evidence: "from memory", Measure: widths,
			Text: "Wider networks need fewer rounds to a target."},
		{ID: "P6.8", Kind: claims.Trend, Source: source + ", experiments", Evidence: "from memory", Measure: heterogeneous,
			Text: "Shards of few labels raise the absolute drift of gradients over that of IID shards."},
		{ID: "P6.9", Kind: claims.Exact, Source: "own theorem on the linear limit", Evidence: "derived", Measure: linearised,
			Text: "Local gradient descent on fixed features follows a known linear map: it converges for every number of local steps and any split."},
	}}
	for i := range p.Claims {
		p.Claims[i].Varies = varies[p.Claims[i].ID]
	}
	return p
}
