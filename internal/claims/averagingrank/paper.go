package averagingrank

import "github.com/fedrelu/fedrelu/internal/claims"

// Paper returns the claims.
func Paper() claims.Paper {
	p := claims.Paper{
		Name:  "averaging-rank",
		Title: "What averaging does to rank",
		Claims: []claims.Claim{
			{ID: "P1.11", Kind: claims.Exact, Source: "Local SGD rank theorem, docs/theory.md", Evidence: "derived",
				Text: "The eps-rank of the average is at most m B K n for every number of local steps, and its members obey their own bound.", Measure: theorem},
			{ID: "P1.11c", Kind: claims.Trend, Source: "law of independent directions, docs/theory.md", Evidence: "derived",
				Text: "Under random gradients the eps-ranks of average and members are those of a law without a fitted constant.", Measure: independentDirections},
			{ID: "P1.12a", Kind: claims.Exact, Source: "H-invariance, docs/theory.md", Evidence: "derived",
				Text: "In linear models whose workers share their inputs, the average does not depend on the number of local steps.", Measure: invariance},
			{ID: "P1.12b", Kind: claims.Trend, Source: "crossover law, docs/theory.md", Evidence: "derived",
				Text: "Averaging lowers the eps-rank above eps* = (a/F) K^(-K/(K-1)) and raises it below.", Measure: crossoverLaw},
			{ID: "P1.12c", Kind: claims.Trend, Source: "docs/theory.md", Evidence: "derived",
				Text: "After long local phases, the average of trained networks has a lower effective rank than its members.", Measure: members},
			{ID: "P1.12d", Kind: claims.Trend, Source: "docs/theory.md", Evidence: "derived",
				Text: "With more local steps the rank of the average falls in LayerNorm networks, and stays between synchronous SGD and a single worker in plain ones.", Measure: overLocalSteps},
		},
	}
	for i := range p.Claims {
		p.Claims[i].Varies = varies[p.Claims[i].ID]
	}
	return p
}
