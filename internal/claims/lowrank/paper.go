package lowrank

import "github.com/fedrelu/fedrelu/internal/claims"

const source = "Galanti, Siegel, Gupte, Poggio 2022-2025"

// Paper returns the claims.
func Paper() claims.Paper {
	p := claims.Paper{
		Name:  "low-rank",
		Title: "SGD and weight decay minimize ranks (Galanti, Siegel, Gupte, Poggio)",
		Claims: []claims.Claim{
			{ID: "P1.1", Kind: claims.Trend, Source: source + ", experiments", Evidence: "verified",
				Text: "At equal epochs the average rank falls with the learning rate.", Measure: sweeps[0].measure},
			{ID: "P1.2", Kind: claims.Trend, Source: source + ", experiments", Evidence: "verified",
				Text: "At equal epochs the average rank falls with weight decay.", Measure: sweeps[1].measure},
			{ID: "P1.3", Kind: claims.Trend, Source: source + ", experiments", Evidence: "verified; the restriction to equal epochs checked",
				Text: "At equal epochs the average rank rises with the batch size.", Measure: sweeps[2].measure},
			{ID: "P1.4", Kind: claims.Trend, Source: source + ", experiments", Evidence: "verified at eps = 1e-3",
				Text: "Without weight decay the eps-rank at 1e-3 stays what it was.", Measure: withoutDecay},
			{ID: "P1.5", Kind: claims.Exact, Source: source + ", gradient lemma", Evidence: "verified",
				Text: "The gradient of a mini-batch of B examples has rank m B at most.", Measure: gradientRank},
			{ID: "P1.6", Kind: claims.Exact, Source: source + ", unrolling lemma", Evidence: "verified",
				Text: "A weight is its value n steps ago, decayed n times, minus a decaying sum of n gradients.", Measure: unrolling},
			{ID: "P1.7", Kind: claims.Exact, Source: source + ", theorem, as a certificate", Evidence: "derived",
				Text: "The eps-rank of a weight is at most m B n, n the steps after which an old weight is forgotten up to eps.", Measure: certificate},
			{ID: "P1.8", Kind: claims.Trend, Source: source + ", experiments", Evidence: "verified; the test by truncation derived",
				Text: "Cutting every hidden weight to its eps-rank costs at most half a point of test accuracy.", Measure: truncation},
			{ID: "P1.9", Kind: claims.Trend, Source: source + ", experiments", Evidence: "verified; the product rule derived",
				Text: "With weight decay and mini-batches the relative movement an epoch does not vanish, and grows with weight decay.", Measure: plateau},
			{ID: "P1.10", Kind: claims.Drawn, Source: source + ", experiments", Evidence: "verified",
				Text: "Rank collapses to nothing together with training at extreme lr wd.", Measure: failure},
			{ID: "P1.13", Kind: claims.Trend, Source: "onset law, docs/theory.md", Evidence: "derived",
				Text: "Half of the initial eps-rank is gone when Lambda reaches Lambda_c(eps), whatever B, lr and wd.", Measure: onset},
			{ID: "P1.14", Kind: claims.Trend, Source: "collapse on Lambda, docs/theory.md", Evidence: "derived",
				Text: "At equal epochs the effective rank is a falling function of Lambda, the sum of lr wd.", Measure: collapse},
		},
	}
	for i := range p.Claims {
		p.Claims[i].Varies = varies[p.Claims[i].ID]
	}
	return p
}
