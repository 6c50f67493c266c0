// Package splines measures the claims of Parhi and Nowak on shallow networks of one input (PAPERS.md P5): that what weight decay
// and the path norm make small is the total variation of the slope, and that training reaches the best spline that there is.
//
// Rules. Everything is measured against functions of the parameters in float64 and against the exact optimum of the training
// problem, which is found without training. Parameters themselves are float32, as training leaves them.
package splines

import (
	"context"

	"github.com/fedrelu/fedrelu/internal/claims"
)

const source = "Parhi, Nowak 2020 (arXiv 1910.02333)"

// Paper returns the paper with its claims.
func Paper() claims.Paper {
	p := claims.Paper{Name: "splines", Title: "The Role of Neural Network Activation Functions", Claims: []claims.Claim{
		{ID: "P5.1", Kind: claims.Exact, Evidence: "derived", Source: "path norm", Measure: measureVariation,
			Text: "The path norm of a shallow ReLU network of one input is the total variation of its slope."},
		{ID: "P5.2", Kind: claims.Trend, Evidence: "derived", Source: "weight decay", Measure: measureBalance,
			Text: "Weight decay makes the weights into and out of each unit equally large."},
		{ID: "P5.3", Kind: claims.Trend, Evidence: "verified (abstract) in principle, derived", Source: "weight decay and path norm", Measure: measureObjective,
			Text: "Training with weight decay and training with the path norm both reach the exact optimum within 1%."},
		{ID: "P5.4", Kind: claims.Exact, Evidence: "derived", Source: "exact optimum", Measure: measureApproach,
			Text: "At the optimum the path norm lies below that of interpolation and rises to it as the penalty vanishes."},
		{ID: "P5.5", Kind: claims.Trend, Evidence: "from memory, derived", Source: "representer theorem", Measure: measureKnots,
			Text: "Trained networks are splines of at most N-2 knots, with the fitted values of the exact optimum within 1%."},
		{ID: "P5.6", Kind: claims.Exact, Evidence: "verified (abstract of Savarese et al. 2019), derived", Source: "skip connection", Measure: measureSkip,
			Text: "Interpolation costs the variation V of the data's slopes with a skip connection, max(V, (V+S)/2) without one."},
		{ID: "P5.7", Kind: claims.Exact, Evidence: "derived", Source: "leaky ReLU", Measure: measureLeaky,
			Text: "Under leaky ReLU of slope a the variation is 1-a of the path norm, so that a function costs 1/(1-a) as much."},
		{ID: "P5.8", Kind: claims.Exact, Evidence: "derived", Source: "extended to averaging", Measure: measureAveraging,
			Text: "Averaging never raises the bound on the path norm that weight decay controls."},
		{ID: "P5.9", Kind: claims.Untestable, Evidence: "verified (abstract)", Source: "other activations", Measure: notTestable,
			Text: "Other activations have fractional or polynomial splines as solutions, the space being fixed by the activation."},
	}}
	for i := range p.Claims {
		p.Claims[i].Varies = varies[p.Claims[i].ID]
		p.Claims[i].Paper, p.Claims[i].Source = p.Name, source+", "+p.Claims[i].Source
	}
	return p
}

type measurement = func(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error)

func notTestable(context.Context, *claims.Lab) (*claims.Outcome, error) {
	return &claims.Outcome{Setup: "none", Predicted: "splines of other orders", Measured: "nothing", Verdict: claims.NotTestable,
		Why: "networks here have ReLU and leaky ReLU, which both belong to the second derivative and to linear splines; other orders need other activations"}, nil
}
