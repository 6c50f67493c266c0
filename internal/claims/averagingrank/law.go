package averagingrank

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// lawWithin is how far measured ranks may be from the law.
const lawWithin = 0.2

// independentDirections is Result C: ranks under random gradients are those of a law without a fitted constant.
func independentDirections(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	var off []float64
	var rows []row
	for _, seed := range lab.Seeds() {
		measured, err := randomRanks(ctx, lab, seed)
		if err != nil {
			return nil, err
		}
		rows = append(rows, measured[:len(tableOf)]...)
		off = append(off, worstDeviation(measured[:len(tableOf)], 1))
	}
	o := claims.TestTrend(off, claims.Below, lawWithin)
	first := rows[0]
	o.Setup = fmt.Sprintf("random gradients, %d x %d, rho %.3g, eps %g, %d settings of (K, H, B)", first.rows, first.cols, first.Rho, dynamicsEps, len(tableOf))
	o.Predicted = "average, local: " + list(rows[:len(tableOf)], func(r row) string { return fmt.Sprintf("%d, %d", r.LawAverage, r.LawLocal) })
	o.Measured = "average, local: " + list(rows[:len(tableOf)], func(r row) string { return fmt.Sprintf("%.0f, %.3g", r.Average, r.Local) })
	lab.Tabulate(tabulate(rows))
	return o, drawOverH(ctx, lab)
}

// worstDeviation returns the largest relative deviation from the law times a factor, which is 1 in the claim.
func worstDeviation(rows []row, factor float64) float64 {
	var worst claims.Worst
	for _, r := range rows {
		worst.Add(math.Abs(r.Average/(factor*float64(r.LawAverage)) - 1))
		worst.Add(math.Abs(r.Local/(factor*float64(r.LawLocal)) - 1))
	}
	return worst.Value()
}

func list(rows []row, what func(row) string) string {
	var parts []string
	for _, r := range rows {
		parts = append(parts, fmt.Sprintf("K%d H%d B%d: %s", r.Workers, r.Steps, r.Batch, what(r)))
	}
	return strings.Join(parts, "; ")
}

func tabulate(rows []row) claims.Table {
	t := claims.Table{Name: "P1.11-random-gradients", Columns: []string{
		"seed", "workers", "local_steps", "batch", "rank_average", "rank_local", "law_average", "law_local", "certificate_average", "certificate_local", "closed_average", "closed_local",
	}}
	for _, r := range rows {
		var cells []string
		for _, v := range []any{r.seed, r.Workers, r.Steps, r.Batch, r.Average, r.Local, r.LawAverage, r.LawLocal, r.Certified.Bound, r.CertifiedOwn.Bound, r.Closed, r.ClosedOwn} {
			cells = append(cells, fmt.Sprint(v))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}
