package averagingrank

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// What P1.12b varies and asks for.
var (
	crossoverWorkers = []int{2, 4, 8, 16}
	crossoverNoise   = []float64{0.07, 0.0175} // size of one sample's update, where the signal has norm 1
)

const (
	crossoverWithin = 0.25
	signalRank      = 8
	crossoverGrid   = 400 // thresholds, in equal steps of their logarithm
)

// signalAndNoise is Local SGD on a matrix that a common gradient pulls to a signal of small rank, while each sample adds a random
// direction.
type signalAndNoise struct {
	randomGradients
	noise float64
}

// run returns the average and one local model at the end of a round, when the start is forgotten.
func (d signalAndNoise) run() (average, local matrix) {
	signal := d.signal()
	rounds := 1 + int(math.Ceil(math.Log(1e-3)/math.Log(d.Rho)/float64(d.Steps)))
	start := newMatrix(d.rows, d.cols)
	copy(start.values, signal.values)
	for round := range rounds {
		average = newMatrix(d.rows, d.cols)
		for k := range d.Workers {
			local = d.phase(start, signal, keyed.New(d.seed, "signal and noise", uint64(round), uint64(k)))
			for i, x := range local.values {
				average.values[i] += x / float64(d.Workers)
			}
		}
		start = average
	}
	return average, local
}

// phase returns what H local steps make of a start.
func (d signalAndNoise) phase(start, signal matrix, stream *keyed.Stream) matrix {
	u, v := make([]float64, d.rows), make([]float64, d.cols)
	model := newMatrix(d.rows, d.cols)
	copy(model.values, start.values)
	for range d.Steps {
		for i, s := range signal.values {
			model.values[i] = d.Rho*model.values[i] + (1-d.Rho)*s
		}
		d.gradient(stream, u, v, func() { model.add(d.noise/(norm(u)*norm(v)), u, v) })
	}
	return model
}

// signal returns a matrix of rank 8 with equal singular values and norm 1, up to the overlap of random directions.
func (d signalAndNoise) signal() matrix {
	s := newMatrix(d.rows, d.cols)
	stream := keyed.New(d.seed, "signal")
	for range signalRank {
		u, v := normals(stream, d.rows), normals(stream, d.cols)
		s.add(1/(norm(u)*norm(v)), u, v)
	}
	s.decay(1 / s.frobenius())
	return s
}

func norm(x []float64) float64 { return length(x) }

// crossing is where the eps-ranks of an average and a member cross.
type crossing struct {
	workers       int
	noise         float64
	measured, law float64
}

func (d signalAndNoise) crossing() (crossing, error) {
	average, local := d.run()
	c := crossing{workers: d.Workers, noise: d.noise}
	f := average.frobenius()
	law, reason := theory.Crossover(d.noise, f, d.Workers)
	if law == nil {
		return c, fmt.Errorf("no crossover: %s", reason)
	}
	sa, err := average.singular()
	if err != nil {
		return c, err
	}
	sl, err := local.singular()
	if err != nil {
		return c, err
	}
	c.law, c.measured = *law, crossover(sa, sl, *law/30, d.noise/f)
	return c, nil
}

// crossover returns the threshold that best parts those below, where the average has the larger eps-rank, from those above, where
// it has the smaller one: the largest sum of differences over the thresholds up to it.
func crossover(average, local []float64, from, to float64) float64 {
	best, at, sum := 0.0, from, 0.0
	for i := range crossoverGrid {
		eps := from * math.Pow(to/from, float64(i)/(crossoverGrid-1))
		sum += float64(analysis.EpsRank(average, eps) - analysis.EpsRank(local, eps))
		if sum >= best {
			best, at = sum, eps
		}
	}
	return at
}

// crossoverLaw is P1.12b: above eps* = (a/F) K^(-K/(K-1)) averaging lowers the eps-rank, below it raises it.
func crossoverLaw(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	s, err := lab.Setting("P1.12b")
	if err != nil {
		return nil, err
	}
	c, err := crossed(ctx, lab, dynamicsOf(s), crossoverWorkers)
	if err != nil {
		return nil, err
	}
	lab.Tabulate(c.table("P1.12b-crossover"))
	o := c.judge()
	o.Setup = fmt.Sprintf("signal of rank %d and noise, %d x %d, rho %.3g, H=%d, B=%d, K in %v, a in %v", signalRank, c.rows, c.cols, c.Rho, c.Steps, c.Batch, crossoverWorkers, crossoverNoise)
	o.Predicted = "eps* measured/law = 1"
	o.Measured = c.String()
	if lab.Size == claims.Quick {
		return o, nil
	}
	return o, c.explain(ctx, lab, o)
}

// explain repeats the most workers with twice the sides. The law takes directions for orthogonal, which asks for a side far above
// K B/(-ln rho); there is no verdict in it.
func (c *crossings) explain(ctx context.Context, lab *claims.Lab, o *claims.Outcome) error {
	wide := c.randomGradients
	wide.rows, wide.cols = 2*wide.rows, 2*wide.cols
	w, err := crossed(ctx, lab, wide, crossoverWorkers[len(crossoverWorkers)-1:])
	if err != nil {
		return err
	}
	o.Measured += fmt.Sprintf("; in %d x %d (no verdict): %s", wide.rows, wide.cols, w)
	lab.Tabulate(w.table("P1.12b-crossover-wide"))
	return nil
}

// crossings are those of some K and both sizes of the noise, by seed.
type crossings struct {
	randomGradients
	bySeed [][]crossing
}

func crossed(ctx context.Context, lab *claims.Lab, dynamics randomGradients, workers []int) (*crossings, error) {
	c := &crossings{randomGradients: dynamics}
	for _, seed := range lab.Seeds() {
		out := make([]crossing, len(workers)*len(crossoverNoise))
		err := lab.Each(ctx, len(out), func(_ context.Context, i int) error {
			d := signalAndNoise{dynamics, crossoverNoise[i%len(crossoverNoise)]}
			d.Workers, d.seed = workers[i/len(crossoverNoise)], seed
			var err error
			out[i], err = d.crossing()
			return err
		})
		if err != nil {
			return nil, err
		}
		c.bySeed = append(c.bySeed, out)
	}
	return c, nil
}

// judge compares with the law.
func (c *crossings) judge() *claims.Outcome {
	var off []float64
	for _, cells := range c.bySeed {
		off = append(off, worstCrossing(cells, 1))
	}
	o := claims.TestTrend(off, claims.Below, crossoverWithin)
	o.Why = "the worst deviation over all settings decides: " + o.Why
	if o.Verdict != claims.Holds {
		o.Why += "; the law takes directions for orthogonal, which asks for a side far above K B/(-ln rho): with fewer directions or a larger matrix the ratio falls towards 1 (docs/theory.md)"
	}
	return o
}

// String tells measured/law of every setting, seed by seed.
func (c *crossings) String() string {
	var all []string
	for i, first := range c.bySeed[0] {
		text := fmt.Sprintf("K=%d a=%g:", first.workers, first.noise)
		for _, cells := range c.bySeed {
			text += fmt.Sprintf(" %.2g/%.2g", cells[i].measured, cells[i].law)
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

func (c *crossings) table(name string) claims.Table {
	t := claims.Table{Name: name, Columns: []string{"seed", "workers", "noise", "measured", "law"}}
	for k, cells := range c.bySeed {
		for _, x := range cells {
			t.Rows = append(t.Rows, []string{fmt.Sprint(k + 1), fmt.Sprint(x.workers), fmt.Sprint(x.noise), fmt.Sprint(x.measured), fmt.Sprint(x.law)})
		}
	}
	return t
}

// worstCrossing returns the largest deviation from the law times a factor, which is 1 but in controls.
func worstCrossing(cells []crossing, factor float64) float64 {
	worst := 0.0
	for _, c := range cells {
		worst = max(worst, math.Abs(c.measured/(factor*c.law)-1))
	}
	return worst
}
