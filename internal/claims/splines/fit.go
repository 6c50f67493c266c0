package splines

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
)

// recipe is one of the ways in which experiment U1 trains a network.
type recipe struct {
	lambda float64
	decay  bool // weight decay; otherwise the path norm
	skip   bool
}

func (r recipe) String() string {
	by, with := "path norm", "without skip"
	if r.decay {
		by = "weight decay"
	}
	if r.skip {
		with = "with skip"
	}
	return fmt.Sprintf("%s %g %s", by, r.lambda, with)
}

func (r recipe) changes(seed uint64) []string {
	wd, path := r.lambda, 0.0
	if !r.decay {
		wd, path = 0, r.lambda
	}
	return []string{fmt.Sprint("seed=", seed), fmt.Sprint("model.shallow.skip=", r.skip),
		fmt.Sprint("local.optimizer.sgd.weight_decay=", wd), fmt.Sprint("regularize.path_norm=", path)}
}

// fit is a trained network beside the exact optimum.
type fit struct {
	recipe
	seed      uint64
	block     []float32
	f         *norm.Univariate
	x, y      []float64
	loss      float64 // mean squared error
	objective float64 // loss with the penalty that was trained
	optimum   *norm.Optimum
	steps     []float64 // local steps at the end of each round,
	balance   []float64 // and the balance there, NaN without units that count
}

// family is U1: fits by recipe, all seeds of one after the other.
type family struct {
	recipes []recipe
	seeds   []uint64
	fits    []*fit // of recipe i and seed j at i*len(seeds)+j
}

// of returns the fits of recipe i.
func (f *family) of(i int) []*fit { return f.fits[i*len(f.seeds) : (i+1)*len(f.seeds)] }

// recipesOf are the spec's weight decay, and for more than a quick look also a tenth of it, each by both penalties, with and
// without a skip connection.
func recipesOf(lab *claims.Lab, s *claims.Setting) []recipe {
	lambda := s.Job.Local.SGD.WeightDecay
	var list []recipe
	for _, l := range claims.Pick(lab, []float64{lambda}, []float64{lambda}, []float64{lambda, lambda / 10}) {
		for i := range 4 {
			list = append(list, recipe{l, i%2 == 0, i < 2})
		}
	}
	return list
}

// train trains experiment U1 by the spec of a claim. Claims whose specs differ in their names only share one training. Extra
// changes come after those of the recipe: controls.
func train(ctx context.Context, lab *claims.Lab, id string, extra ...string) (*family, error) {
	s, err := lab.Setting(id)
	if err != nil {
		return nil, err
	}
	anonymous := *s.Spec
	anonymous.Name = ""
	return claims.Once(lab, fmt.Sprintf("U1 %v\n%s", extra, anonymous.YAML()), func() (*family, error) {
		f := &family{recipes: recipesOf(lab, s), seeds: lab.Seeds()}
		f.fits = make([]*fit, len(f.recipes)*len(f.seeds))
		err := lab.Each(ctx, len(f.fits), func(ctx context.Context, i int) error {
			r, seed := f.recipes[i/len(f.seeds)], f.seeds[i%len(f.seeds)]
			s, err := lab.Setting(id, append(r.changes(seed), extra...)...)
			if err != nil {
				return err
			}
			f.fits[i] = &fit{recipe: r, seed: seed}
			return f.fits[i].train(ctx, s)
		})
		return f, err
	})
}

// train trains the network and compares it with the optimum.
func (f *fit) train(ctx context.Context, s *claims.Setting) error {
	points, err := pointsOf(s)
	if err != nil {
		return err
	}
	if f.optimum, err = points.Solve(f.lambda, f.skip); err != nil {
		return err
	}
	steps := 0
	f.block, err = s.Runner().Run(ctx, s.Spec.Rounds, func(facts localsgd.RoundFacts, model []float32) error {
		steps += facts.Steps
		return f.look(s, steps, model)
	})
	if err != nil {
		return err
	}
	f.block = slices.Clone(f.block)
	f.x, f.y = dataOf(s)
	if f.f, err = norm.NewUnivariate(s.Job.Net, f.block); err != nil {
		return err
	}
	for i, x := range f.x {
		off := f.f.At(x) - f.y[i]
		f.loss += off * off / float64(len(f.x))
	}
	f.objective = f.loss + f.lambda*f.penalty()
	return nil
}

// look records the balance after a round.
func (f *fit) look(s *claims.Setting, steps int, model []float32) error {
	u, err := norm.NewUnivariate(s.Job.Net, model)
	if err != nil {
		return err
	}
	off := math.NaN()
	if b := u.Balance(false); b != nil {
		off = *b
	}
	f.steps, f.balance = append(f.steps, float64(steps)), append(f.balance, off)
	return nil
}

// penalty is what lambda multiplies: half the squared weights or the path norm.
func (f *fit) penalty() float64 {
	if !f.decay {
		return f.f.PathNorm()
	}
	return energy(f.f)
}

// energy returns (1/2) sum (v^2 + w^2).
func energy(u *norm.Univariate) float64 {
	sum := 0.0
	for k, w := range u.W {
		sum += (w*w + u.V[k]*u.V[k]) / 2
	}
	return sum
}

// values returns f at the training points.
func (f *fit) values() []float64 {
	z := make([]float64, len(f.x))
	for i, x := range f.x {
		z[i] = f.f.At(x)
	}
	return z
}

func (f *family) setup(lab *claims.Lab, s *claims.Setting) string {
	return fmt.Sprintf("%d points, width %d, lr %g, %.0f steps, penalties %s", len(f.fits[0].x), len(f.fits[0].f.W), s.Job.Local.LR(),
		f.fits[0].steps[len(f.fits[0].steps)-1], claims.Pick(lab, fmt.Sprint(f.recipes[0].lambda), fmt.Sprint(f.recipes[0].lambda),
			fmt.Sprintf("%g and %g", f.recipes[0].lambda, f.recipes[0].lambda/10)))
}
