package lowrank

import "github.com/fedrelu/fedrelu/internal/claims"

const source = "Galanti, Siegel, Gupte, Poggio 2022-2025"

// Paper returns the claims.
func Paper() claims.Paper {
	return claims.Paper{
		Name:  "low-rank",
		Title: "SGD and weight decay minimize ranks (Galanti, Siegel, Gupte, Poggio)",
		Claims: []claims.Claim{
			{ID: "P1.5", Kind: claims.Exact, Source: source + ", gradient lemma", Evidence: "verified",
				Text: "The gradient of a mini-batch of B examples has rank m B at most.", Measure: gradientRank},
			{ID: "P1.6", Kind: claims.Exact, Source: source + ", unrolling lemma", Evidence: "verified",
				Text: "A weight is its value n steps ago, decayed n times, minus a decaying sum of n gradients.", Measure: unrolling},
			{ID: "P1.7", Kind: claims.Exact, Source: source + ", theorem, as a certificate", Evidence: "derived",
				Text: "The eps-rank of a weight is at most m B n, n the steps after which an old weight is forgotten up to eps.", Measure: certificate},
		},
	}
}
