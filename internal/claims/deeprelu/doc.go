// Package deeprelu measures the claims of Xu and Zhang on ReLU networks that converge as depth grows (PAPERS.md P2).
//
// Rules. States of the hidden layers come from the machines that train, never from a forward pass of this package's own; what
// they are compared with is computed here, in float64. x_n is the state after hidden layer n, counted from 1; W_n and b_n are
// that layer's, and P_n = W_n - I.
package deeprelu

import (
	"context"

	"github.com/fedrelu/fedrelu/internal/claims"
)

const source = "Xu, Zhang 2021 (arXiv 2107.12530)"

type measurement = func(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error)

// Paper returns the paper with its claims.
func Paper() claims.Paper {
	p := claims.Paper{Name: "deep-relu", Title: "Convergence of Deep ReLU Networks", Claims: []claims.Claim{
		{ID: "P2.1", Kind: claims.Exact, Evidence: "verified (abstract) that there is one, formula derived", Source: "explicit expression", Measure: measureExpression,
			Text: "A network is the explicit expression of its matrices, biases and open gates."},
		{ID: "P2.2", Kind: claims.Exact, Evidence: "derived", Source: "activation domains", Measure: measureJacobian,
			Text: "Inputs with the same open gates form a region where the network is affine, with the product of J_i W_i as its slope."},
		{ID: "P2.3", Kind: claims.Exact, Evidence: "derived", Source: "sufficient condition", Measure: measureTails,
			Text: "Where the distances of layers from the identity and the biases add up to finite sums, states keep within the tail bound."},
		{ID: "P2.4", Kind: claims.Trend, Evidence: "derived", Source: "independent layers", Measure: measureSteps,
			Text: "Independent He layers never settle: each moves the state by sqrt(2 - 2/pi) = 1.168 of its norm."},
		{ID: "P2.5", Kind: claims.Exact, Evidence: "derived", Source: "necessary condition", Measure: measureNecessary,
			Text: "How far a layer is from the identity is bounded by how far it moves m+1 active states."},
		{ID: "P2.6", Kind: claims.Trend, Evidence: "verified (abstract) that it is useful", Source: "initialisation", Measure: measureTraining,
			Text: "Started near the identity, plain networks of fifty layers train; from He's start they do not."},
		{ID: "P2.7", Kind: claims.Trend, Evidence: "derived", Source: "rate", Measure: measureRate,
			Text: "Random distances c n^-p from the identity make states converge like n^(1/2-p), also where the sum of norms diverges."},
		{ID: "P2.8", Kind: claims.Trend, Evidence: "derived", Source: "products of matrices", Measure: measureProducts,
			Text: "The products of J_i W_i converge near the identity and not for He's start."},
	}}
	for i := range p.Claims {
		p.Claims[i].Varies = varies[p.Claims[i].ID]
		p.Claims[i].Paper, p.Claims[i].Source = p.Name, source+", "+p.Claims[i].Source
	}
	return p
}
