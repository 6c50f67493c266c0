package lowrank

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
)

// What P1.7 certifies: models at regular times, at thresholds at which bounds can be below the sides of the layers.
var certifiedAt = []float64{0.05, 0.1}

const (
	certifiedModels = 10  // of a run
	certifiedMemory = 120 // steps that certificates look back at most
)

// certificate is P1.7: the eps-rank never exceeds m B n*.
func certificate(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	s, err := lab.Setting("P1.7", "shards.count=1", "local.steps=1")
	if err != nil {
		return nil, err
	}
	in64, err := certify[float64](ctx, s)
	if err != nil {
		return nil, err
	}
	in32, err := certify[float32](ctx, s)
	if err != nil {
		return nil, err
	}
	o := claims.All(in64.test(), in32.test())
	o.Setup = fmt.Sprintf("scale-invariant network, lr wd = %.3g, batch %d, %d steps, %d models, eps %v; %d of %d bounds below the layer's sides",
		1-rho(s), s.Job.Local.Schedule.Batch, s.Spec.Rounds, certifiedModels, certifiedAt, in64.binding, in64.checked)
	o.Predicted = "eps-rank - m B n* <= 0"
	o.Measured = fmt.Sprintf("closest, float64: %v; float32: %v; last model: %s", in64.excess, in32.excess, in64.last)
	lab.Tabulate(in64.table)
	return o, nil
}

// certified is what came of certificates.
type certified struct {
	excess           worst // eps-rank minus bound, where the bound is below the sides
	checked, binding int
	last             string
	table            claims.Table
}

// test fails for any eps-rank above its bound.
func (c *certified) test() *claims.Outcome {
	if c.binding == 0 {
		return &claims.Outcome{Seeds: 1, Verdict: claims.NotTestable, Why: "every bound reaches the sides of its layer: more samples are remembered than it has directions"}
	}
	o := c.excess.all().Test(0)
	o.Why += fmt.Sprintf("; %d bounds could have been broken", c.binding)
	return o
}

func certify[F float32 | float64](ctx context.Context, s *claims.Setting) (*certified, error) {
	path, err := models[F](ctx, s, s.Spec.Rounds)
	if err != nil {
		return nil, err
	}
	out := &certified{excess: worst{}, table: claims.Table{Name: "P1.7-certificates", Columns: []string{"step", "layer", "kind", "eps", "rank", "bound", "steps_remembered"}}}
	norms := newNorms[F](s, path)
	for i := 1; i <= certifiedModels; i++ {
		step := s.Spec.Rounds * i / certifiedModels
		for j, l := range layersOf(s.Job.Net) {
			if err := out.add(norms, step, j, l); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// add checks the certificates of one layer after a step.
func (c *certified) add(norms spectrumOf, step, index int, l layer) error {
	now, err := norms(step, index)
	if err != nil {
		return err
	}
	var spans []theory.Span
	for t := max(0, step-certifiedMemory); t < step; t++ {
		s, err := norms(t, index)
		if err != nil {
			return err
		}
		spans = append(spans, theory.Span{Decay: s.decay, Samples: s.batch, Spectral: s.values[0]})
	}
	for _, eps := range certifiedAt {
		bound := theory.Certify(theory.Layer{Rows: l.rows, Cols: l.cols, Positions: l.positions}, spans, norm(now.values), eps)
		rank := analysis.EpsRank(now.values, eps)
		c.checked++
		if !bound.Vacuous {
			c.binding++
			c.excess.add(l.kind, float64(rank-bound.Bound))
		}
		if bound.Violated(rank) {
			c.excess.add(l.kind, float64(rank-bound.Bound))
		}
		c.table.Rows = append(c.table.Rows, []string{fmt.Sprint(step), l.Name, l.kind, fmt.Sprint(eps), fmt.Sprint(rank), fmt.Sprint(bound.Bound), fmt.Sprint(bound.N)})
		if c.last == "" || eps == certifiedAt[0] {
			c.last = fmt.Sprintf("%s rank %d of at most %d (eps %g)", l.kind, rank, bound.Bound, eps)
		}
	}
	return nil
}

// moment is one layer at one step.
type moment struct {
	values []float64
	decay  float64
	batch  int
}

type spectrumOf func(step, index int) (moment, error)

// newNorms returns singular values along a run, each computed once.
func newNorms[F float32 | float64](s *claims.Setting, path [][]F) spectrumOf {
	layers, known := layersOf(s.Job.Net), map[[2]int][]float64{}
	return func(step, index int) (moment, error) {
		key := [2]int{step, index}
		if known[key] == nil {
			values, err := singular(path[step], layers[index])
			if err != nil {
				return moment{}, err
			}
			known[key] = values
		}
		return moment{known[key], rho(s), s.Job.Local.Schedule.Batch}, nil
	}
}
