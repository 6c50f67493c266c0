package lowrank

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/claims"
)

// collapseSpearman is what P1.14 asks for.
const collapseSpearman = -0.9

// collapseGrid returns the settings of P1.14.
func collapseGrid(lab *claims.Lab) [][]string {
	var out [][]string
	for _, b := range claims.Pick(lab, []int{8, 16, 64}, []int{4, 8, 16, 64}, []int{4, 8, 16, 32, 64}) {
		for _, lr := range claims.Pick(lab, []float64{0.03, 0.1}, []float64{0.03, 0.1}, []float64{0.01, 0.03, 0.1}) {
			for _, wd := range claims.Pick(lab, []float64{1e-3, 5e-3}, []float64{1e-3, 5e-3}, []float64{5e-4, 1e-3, 2e-3, 5e-3}) {
				out = append(out, []string{
					fmt.Sprint("local.batch=", b), fmt.Sprint("local.optimizer.sgd.lr=", lr), fmt.Sprint("local.optimizer.sgd.weight_decay=", wd),
				})
			}
		}
	}
	return out
}

// last returns the effective rank of the last hidden weight, in which P1.13 and P1.14 are measured.
func last(e *ended) float64 { return analysis.EffectiveRank(e.after[len(e.after)-1]) }

// collapse is P1.14: at equal epochs, the effective rank is a falling function of Lambda alone.
func collapse(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	all, err := endAll(ctx, lab, "P1.14", lab.Seeds(), collapseGrid(lab))
	if err != nil {
		return nil, err
	}
	kept, g := gate(all)
	if len(kept) < fewestSettings {
		return &claims.Outcome{Verdict: claims.Inconclusive, Gate: g, Why: fmt.Sprintf("%d settings have passed the gate, %d are needed", len(kept), fewestSettings)}, nil
	}
	var spearman, partial []float64
	for j := range all[0] {
		lambda, rank, batch := column(all, kept, j)
		spearman, partial = append(spearman, claims.Spearman(lambda, rank)), append(partial, ofBatch(lambda, rank, batch))
	}
	o := claims.TestTrend(spearman, claims.Below, collapseSpearman)
	s := all[0][0].setting
	o.Gate = g
	o.Setup = fmt.Sprintf("the spec's network, %d examples, %d epochs, %d settings of (B, lr, wd), last hidden weight", len(s.Job.Shards[0]), s.Spec.Rounds, len(all))
	o.Predicted = fmt.Sprintf("Spearman of Lambda and effective rank <= %g", collapseSpearman)
	o.Measured = "Lambda: effective rank: "
	for n, i := range byLambda(all, kept) {
		if n > 0 {
			o.Measured += ", "
		}
		o.Measured += fmt.Sprintf("%.2f: %.1f", all[i][0].lambda, mean(all[i], last))
	}
	o.Measured += "; pairs of settings equal but for one value whose ranks differ as its claim says: " + marginals(all, kept)
	if m, ci, ok := claims.Interval(partial); ok {
		o.Why += fmt.Sprintf("; at equal Lambda a batch twice as large changes the effective rank by %.2g [%.2g, %.2g] (no direction claimed)", m, ci[0], ci[1])
	}
	drawCollapse(lab, all, kept)
	return o, nil
}

func byLambda(all [][]*ended, kept []int) []int {
	order := slices.Clone(kept)
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(all[i][0].lambda, all[j][0].lambda) })
	return order
}

// column returns Lambda, effective rank and batch of the runs of one seed.
func column(all [][]*ended, kept []int, seed int) (lambda, rank, batch []float64) {
	for _, i := range kept {
		e := all[i][seed]
		lambda, rank, batch = append(lambda, e.lambda), append(rank, last(e)), append(batch, float64(e.setting.Job.Local.Schedule.Batch))
	}
	return lambda, rank, batch
}

// ofBatch returns how much the effective rank changes with each doubling of the batch at equal Lambda: the coefficient of log2 B in
// the least-squares fit of the rank by 1, ln Lambda, its square, and log2 B.
func ofBatch(lambda, rank, batch []float64) float64 {
	design, target := mat.NewDense(len(rank), 4, nil), mat.NewVecDense(len(rank), rank)
	for i, l := range lambda {
		x := math.Log(l)
		design.SetRow(i, []float64{1, x, x * x, math.Log2(batch[i])})
	}
	var fit mat.VecDense
	if err := fit.SolveVec(design, target); err != nil {
		return math.NaN()
	}
	return fit.AtVec(3)
}
