package averagingrank

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
)

// dynamicsEps is the threshold of ranks under random gradients.
const dynamicsEps = 0.05

// measuredLocals is how many local models' ranks are taken a run.
const measuredLocals = 4

// row is one line of the table of random gradients: ranks measured, what the law says, and what the theorem allows.
type row struct {
	randomGradients
	Average, Local           float64 // eps-ranks; of the locals the mean
	Worst                    int     // largest eps-rank of a local model
	LawAverage, LawLocal     int
	Certified, CertifiedOwn  theory.Certificate // from the norms along the way
	Closed, ClosedOwn        int                // n = ceil(ln(2/eps)/-ln rho); 0 where its condition does not hold
	HalvedAverage, HalvedOwn bool               // the norm has fallen below half of what it was n steps ago
}

// tableOf lists the (K, H, B) of the table, the checks of the theorem and of the law, and of the line over H.
var tableOf = [][3]int{{1, 1, 1}, {1, 1, 4}, {4, 1, 1}, {4, 5, 1}, {4, 40, 1}, {2, 20, 2}, {8, 10, 1}}

// overH are the local steps of the line over H, for the K and B of the third row.
func overH(lab *claims.Lab) []int {
	return claims.Pick(lab, []int{2, 10, 20, 100}, []int{2, 3, 10, 20, 70, 100}, []int{2, 3, 7, 10, 15, 20, 30, 70, 100})
}

// randomRanks measures the rows of the table for a seed, and then those of the line over H.
func randomRanks(ctx context.Context, lab *claims.Lab, seed uint64) ([]row, error) {
	return claims.Once(lab, fmt.Sprint("random ranks ", seed), func() ([]row, error) {
		s, err := lab.Setting("P1.11c", fmt.Sprint("seed=", seed))
		if err != nil {
			return nil, err
		}
		all := tableOf
		if seed == 1 {
			for _, h := range overH(lab) {
				all = append(all[:len(all):len(all)], [3]int{4, h, 1})
			}
		}
		rows := make([]row, len(all))
		err = lab.Each(ctx, len(all), func(_ context.Context, i int) error {
			d := dynamicsOf(s)
			d.Workers, d.Steps, d.Batch = all[i][0], all[i][1], all[i][2]
			var err error
			rows[i], err = d.measure()
			return err
		})
		return rows, err
	})
}

func (d randomGradients) measure() (row, error) {
	t := d.run()
	r := row{randomGradients: d, LawAverage: d.AverageRank(dynamicsEps), LawLocal: d.LocalRank(dynamicsEps)}
	s, err := t.average.singular()
	if err != nil {
		return r, err
	}
	r.Average = float64(analysis.EpsRank(s, dynamicsEps))
	locals := t.locals[:min(len(t.locals), measuredLocals)]
	for _, m := range locals {
		if s, err = m.singular(); err != nil {
			return r, err
		}
		rank := analysis.EpsRank(s, dynamicsEps)
		r.Local += float64(rank) / float64(len(locals))
		r.Worst = max(r.Worst, rank)
	}
	r.certify(t)
	return r, nil
}

// certify takes the bounds on the average and on worker 0's model, with Frobenius norms in the place of spectral ones, which only
// makes them larger.
func (r *row) certify(t *trace) {
	shape := theory.Layer{Rows: r.rows, Cols: r.cols, Positions: 1}
	spans := make([]theory.Span, len(t.averages))
	for i, norm := range t.averages {
		spans[i] = theory.Span{Decay: r.Rho, Samples: r.Workers * r.Batch, Spectral: norm}
	}
	now, mine := t.average.frobenius(), t.locals[0].frobenius()
	r.Certified = theory.Certify(shape, spans, now, dynamicsEps)
	own := spans[:len(spans)-len(t.own)]
	for _, norm := range t.own {
		own = append(own[:len(own):len(own)], theory.Span{Decay: r.Rho, Samples: r.Batch, Spectral: norm})
	}
	r.CertifiedOwn = theory.Certify(shape, own, mine, dynamicsEps)
	n, _ := theory.Forgetting(r.Rho, dynamicsEps)
	if n > len(spans) {
		return
	}
	if r.HalvedAverage = spans[len(spans)-n].Spectral > 2*now; !r.HalvedAverage {
		r.Closed = theory.AverageBound(1, r.Batch, r.Workers, n)
	}
	if r.HalvedOwn = own[len(own)-n].Spectral > 2*mine; !r.HalvedOwn {
		r.ClosedOwn = theory.LocalBound(1, r.Batch, r.Workers, r.Steps, n)
	}
}

// excess returns how far ranks lie above their bounds, at most; negative where all are below.
func (r *row) excess() float64 {
	side := min(r.rows, r.cols)
	worst := max(int(r.Average)-r.Certified.Bound, r.Worst-r.CertifiedOwn.Bound)
	if r.Closed > 0 {
		worst = max(worst, int(r.Average)-min(side, r.Closed))
	}
	if r.ClosedOwn > 0 {
		worst = max(worst, r.Worst-min(side, r.ClosedOwn))
	}
	return float64(worst)
}
