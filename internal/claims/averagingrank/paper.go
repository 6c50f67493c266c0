package averagingrank

import "github.com/fedrelu/fedrelu/internal/claims"

// Paper returns the claims.
func Paper() claims.Paper {
	return claims.Paper{
		Name:  "averaging-rank",
		Title: "What averaging does to rank",
		Claims: []claims.Claim{
			{ID: "P1.11", Kind: claims.Exact, Source: "Local SGD rank theorem, docs/theory.md", Evidence: "derived",
				Text: "The eps-rank of the average is at most m B K n for every number of local steps, and its members obey their own bound.", Measure: theorem},
			{ID: "P1.11c", Kind: claims.Trend, Source: "law of independent directions, docs/theory.md", Evidence: "derived",
				Text: "Under random gradients the eps-ranks of average and members are those of a law without a fitted constant.", Measure: independentDirections},
			{ID: "P1.12a", Kind: claims.Exact, Source: "H-invariance, docs/theory.md", Evidence: "derived",
				Text: "In linear models whose workers share their inputs, the average does not depend on the number of local steps.", Measure: invariance},
		},
	}
}
