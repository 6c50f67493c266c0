package averagingrank

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// What P1.11 certifies in a network.
var (
	networkSteps = []int{1, 5, 20}           // H
	networkEps   = []float64{0.05, 0.1, 0.2} //
)

const networkMemory = 60 // local steps that are kept, the last of which are certified

// certified is what came of certificates.
type certified struct {
	average, local   float64 // eps-rank minus bound at most, where the bound is below the sides
	checked, binding int
}

func (c *certified) test() *claims.Outcome {
	if c.binding == 0 {
		return &claims.Outcome{Seeds: 1, Verdict: claims.NotTestable, Why: "every bound reaches the sides of its layer"}
	}
	o := claims.TestBound(max(c.average, c.local), 0)
	o.Why += fmt.Sprintf("; %d bounds of a network could have been broken", c.binding)
	return o
}

// certifyNetwork checks the bounds at every step of the last rounds, for several H.
func certifyNetwork[F float32 | float64](ctx context.Context, lab *claims.Lab) (*certified, error) {
	out := &certified{average: math.Inf(-1), local: math.Inf(-1)}
	for _, h := range networkSteps {
		s, err := lab.Setting("P1.11", fmt.Sprint("local.steps=", h))
		if err != nil {
			return nil, err
		}
		p := newPath[F](s)
		if err := p.walk(ctx); err != nil {
			return nil, err
		}
		if err := out.add(p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// path is a run with the virtual average after every local step of its last rounds, and worker 0's models in the last one.
type path[F float32 | float64] struct {
	setting  *claims.Setting
	runner   *localsgd.RunnerIn[F]
	averages [][]F // before the first kept step and after each
	own      [][]F // before the last round and after each of its steps
}

func newPath[F float32 | float64](s *claims.Setting) *path[F] {
	return &path[F]{setting: s, runner: &localsgd.RunnerIn[F]{Job: s.Job, Algorithm: s.Algorithm}}
}

// walk makes as many rounds as the spec has steps of, at least two, and keeps every step of the last ones: a round of h steps from
// its start is what the round of H steps had come to after h.
func (p *path[F]) walk(ctx context.Context) error {
	s, h := p.setting, p.setting.Job.Local.Schedule.Steps
	rounds := max(2, s.Spec.Rounds/h)
	keep := max(1, rounds-networkMemory/h)
	state := make([]F, s.Job.Net.Parameters())
	for i, v := range s.Job.Start() {
		state[i] = F(v)
	}
	all := make([]int, len(s.Job.Shards))
	for k := range all {
		all[k] = k
	}
	for round := 1; round <= rounds; round++ {
		from := h
		if round > keep {
			from = 1
		}
		if round == keep+1 {
			p.averages = append(p.averages, slices.Clone(state))
		}
		for step := from; step <= h; step++ {
			next, err := p.after(ctx, round, all, step, state)
			if err != nil {
				return err
			}
			if round > keep {
				p.averages = append(p.averages, next)
			}
			if step == h && round < rounds {
				state = next
			}
		}
	}
	return p.ownSteps(ctx, rounds, state)
}

// ownSteps makes worker 0's models in the last round.
func (p *path[F]) ownSteps(ctx context.Context, round int, start []F) error {
	p.own = append(p.own, start)
	for step := 1; step <= p.setting.Job.Local.Schedule.Steps; step++ {
		next, err := p.after(ctx, round, []int{0}, step, start)
		if err != nil {
			return err
		}
		p.own = append(p.own, next)
	}
	return nil
}

// after returns the average of some shards' models after so many steps of a round.
func (p *path[F]) after(ctx context.Context, round int, shards []int, step int, start []F) ([]F, error) {
	steps := slices.Repeat([]int{step}, len(shards))
	next := make([]F, len(start))
	_, err := p.runner.Carry(ctx, p.setting.Algorithm.PlanOf(p.setting.Job, round, shards, steps), start, next)
	return next, err
}

// add certifies the averages of the last steps and worker 0's models.
func (c *certified) add(p any) error {
	switch p := p.(type) {
	case *path[float32]:
		return addPath(c, p)
	case *path[float64]:
		return addPath(c, p)
	}
	return fmt.Errorf("no path: %T", p)
}

func addPath[F float32 | float64](c *certified, p *path[F]) error {
	local := p.setting.Job.Local
	rho, samples := 1-local.SGD.LR*local.SGD.WeightDecay, local.Schedule.Batch*len(p.setting.Job.Shards)
	for _, view := range claims.Hidden(p.setting.Job.Net) {
		rows, cols, _ := view.Matrix()
		shape := theory.Layer{Rows: rows, Cols: cols, Positions: 1}
		var spans []theory.Span
		last := len(p.averages) - 1
		for i, block := range p.averages {
			s, err := spectrum(block, view)
			if err != nil {
				return err
			}
			if i > last-local.Schedule.Steps || i == last {
				c.certify(&c.average, theory.Layer(shape), spans, s)
			}
			spans = append(spans, theory.Span{Decay: rho, Samples: samples, Spectral: s[0]})
		}
		spans = spans[:max(0, last-local.Schedule.Steps)]
		for i, block := range p.own {
			s, err := spectrum(block, view)
			if err != nil {
				return err
			}
			if i > 0 {
				c.certify(&c.local, shape, spans, s)
			}
			spans = append(spans, theory.Span{Decay: rho, Samples: local.Schedule.Batch, Spectral: s[0]})
		}
	}
	return nil
}

// certify compares one matrix with its bounds.
func (c *certified) certify(worst *float64, shape theory.Layer, spans []theory.Span, s []float64) {
	for _, eps := range networkEps {
		bound := theory.Certify(shape, spans, analysis.Frobenius(s), eps)
		c.checked++
		if bound.Vacuous {
			continue
		}
		c.binding++
		*worst = max(*worst, float64(analysis.EpsRank(s, eps)-bound.Bound))
	}
}

// spectrum returns the singular values of a weight in float64.
func spectrum[F float32 | float64](block []F, view tensor.View) ([]float64, error) {
	rows, cols, _ := view.Matrix()
	m := newMatrix(rows, cols)
	for i, v := range tensor.Of(block, view) {
		m.values[i] = float64(v)
	}
	return m.singular()
}
