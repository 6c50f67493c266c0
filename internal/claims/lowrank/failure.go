package lowrank

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// failureDecays are the weight decays of P1.10, up to where nothing is learned.
var failureDecays = []float64{5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5}

// failure is P1.10, drawn: at extreme lr wd the rank collapses together with training.
func failure(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	var settings [][]string
	for _, wd := range failureDecays {
		settings = append(settings, []string{fmt.Sprintf("local.optimizer.sgd.weight_decay=%v", wd)})
	}
	all, err := endAll(ctx, lab, "P1.10", smallSeeds(lab), settings)
	if err != nil {
		return nil, err
	}
	s := all[0][0].setting
	var parts []string
	for i, runs := range all {
		parts = append(parts, fmt.Sprintf("wd %v: rank@%g %.1f, train accuracy %.2f", failureDecays[i], marginalEps,
			mean(runs, func(e *ended) float64 { return e.rank(marginalEps) }), mean(runs, func(e *ended) float64 { return e.train })))
	}
	drawFailure(lab, all)
	return &claims.Outcome{
		Setup:     fmt.Sprintf("the spec's network, %d epochs, batch %d, lr %g", s.Spec.Rounds, s.Job.Local.Schedule.Batch, s.Job.Local.SGD.LR),
		Predicted: "rank and accuracy collapse together", Measured: strings.Join(parts, "; "), Seeds: len(all[0]), Verdict: claims.Shown,
		Why: "no direction and no threshold is claimed",
	}, nil
}
