// Package sgdgd measures the claims of Xu, Galanti, Rangamani, Rosasco and Poggio on SGD against gradient descent (PAPERS.md
// P3): weights that no gradient reaches, which weight decay alone moves; how much more the weights of SGD fluctuate than those
// of gradient descent; and what that has to do with rank.
//
// Rules. Exact claims follow the same weights in float64 and in float32 and fail at one round beyond the bounds of that
// precision. Predictions come from the spec alone: learning rates, weight decay, steps, rule.
package sgdgd

import "github.com/fedrelu/fedrelu/internal/claims"

const source = "Xu, Galanti, Rangamani, Rosasco, Poggio 2023 (CBMM memo 144)"

// Paper returns the paper with its claims.
func Paper() claims.Paper {
	p := claims.Paper{Name: "sgd-vs-gd", Title: "The Janus effects of SGD vs GD: high noise and low rank", Claims: []claims.Claim{
		{ID: "P3.1", Kind: claims.Exact, Evidence: "derived", Source: "linear regression, per update", Measure: measurePerUpdate,
			Text: "What no gradient reaches shrinks by 1 - lr wd in every update of SGD and of gradient descent."},
		{ID: "P3.2", Kind: claims.Exact, Evidence: "verified (abstract), value derived", Source: "linear regression, per epoch", Measure: measurePerEpoch,
			Text: "In an epoch SGD forgets it N/B times as fast as gradient descent."},
		{ID: "P3.3", Kind: claims.Exact, Evidence: "verified (abstract) in part, derived", Source: "linear regression", Measure: measureRemoved,
			Text: "Without weight decay it stays as it was, and from a zero start it stays zero."},
		{ID: "P3.4", Kind: claims.Trend, Evidence: "verified (abstract), factor derived", Source: "asymptotic noise", Measure: measureFluctuation,
			Text: "The weights of SGD go on fluctuating, at least ten times as much as those of gradient descent."},
		{ID: "P3.5", Kind: claims.Exact, Evidence: "verified (abstract), exact form derived", Source: "deterministic batches", Measure: measureCyclic,
			Text: "Cyclic batches, without any chance in them, do the same."},
		{ID: "P3.6", Kind: claims.Trend, Evidence: "verified (abstract)", Source: "deep ReLU networks", Measure: measureRank,
			Text: "After equally many epochs the layers of a network have a lower rank by SGD than by gradient descent."},
		{ID: "P3.7", Kind: claims.Exact, Evidence: "derived", Source: "extended to Local SGD", Measure: measureRounds,
			Text: "A round of H local steps multiplies it by (1 - lr wd)^H, in the average and in every local model."},
		{ID: "P3.8", Kind: claims.Exact, Evidence: "derived", Source: "inputs that are always zero", Measure: measureColumns,
			Text: "Columns of the first weight at pixels that are zero in all images shrink by exactly 1 - lr wd a step."},
		{ID: "P3.9", Kind: claims.Drawn, Evidence: "derived", Source: "noise and rank", Measure: measureMovement,
			Text: "Where weights go on moving more, is the rank lower? Movement in an epoch against effective rank, over a grid."},
	}}
	for i := range p.Claims {
		p.Claims[i].Varies = varies[p.Claims[i].ID]
		p.Claims[i].Paper, p.Claims[i].Source = p.Name, source+", "+p.Claims[i].Source
	}
	return p
}
