package averagingrank

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// theorem is P1.11: the average and its members obey the bounds of the Local SGD rank theorem, under random gradients and in a
// network, for every H.
func theorem(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	rows, err := randomRanks(ctx, lab, 1)
	if err != nil {
		return nil, err
	}
	worst := rows[0].excess()
	for _, r := range rows {
		worst = max(worst, r.excess())
	}
	random := claims.TestBound(worst, 0)
	in64, err := certifyNetwork[float64](ctx, lab)
	if err != nil {
		return nil, err
	}
	in32, err := certifyNetwork[float32](ctx, lab)
	if err != nil {
		return nil, err
	}
	o := claims.All(random, in64.test(), in32.test())
	o.Setup = fmt.Sprintf("random gradients %d x %d, %d settings of (K, H, B), eps %g; LayerNorm network with H in %v, eps %v: %d of %d bounds below the layer's sides",
		rows[0].rows, rows[0].cols, len(rows), dynamicsEps, networkSteps, networkEps, in64.binding, in64.checked)
	o.Predicted = "eps-rank - bound <= 0, for the average m B K n whatever H is"
	o.Measured = fmt.Sprintf("closest: random gradients %.0f; network, float64: average %.0f, locals %.0f; float32: %.0f, %.0f",
		worst, in64.average, in64.local, in32.average, in32.local)
	lab.Tabulate(tabulate(rows))
	return o, drawOverH(ctx, lab)
}
