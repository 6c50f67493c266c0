package lowrank

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
)

// scored is how many examples accuracies are taken on at most.
const scored = 10000

// ended is a whole run.
type ended struct {
	setting       *claims.Setting
	model         []float32
	before, after [][]float64 // singular values of the hidden weights
	train, test   float64     // accuracies
	lambda        float64     // sum of lr wd over the steps
	dist          []float64   // relative change of the weights, by round (1.4)
}

// job is a run that is asked for: the spec of a claim with changes.
type job struct {
	id      string
	seed    uint64
	changes []string
}

func (j job) String() string {
	return fmt.Sprintf("%s seed %d %s", j.id, j.seed, strings.Join(j.changes, " "))
}

// end makes the run, once.
func (j job) end(ctx context.Context, lab *claims.Lab) (*ended, error) {
	return claims.Once(lab, "low-rank "+j.String(), func() (*ended, error) {
		s, err := lab.Setting(j.id, append(slices.Clone(j.changes), fmt.Sprint("seed=", j.seed))...)
		if err != nil {
			return nil, err
		}
		e := &ended{setting: s}
		if err := e.run(ctx); err != nil {
			return nil, fmt.Errorf("%v: %w", j, err)
		}
		if lab.Say != nil {
			lab.Say("%v: Lambda %.3g, effective rank %.1f, train accuracy %.3f", j, e.lambda, e.effective(), e.train)
		}
		return e, nil
	})
}

func (e *ended) run(ctx context.Context) error {
	s, sgd := e.setting, e.setting.Job.Local.SGD
	before := s.Job.Start()
	var err error
	if e.before, err = claims.Spectra(s.Job.Net, before); err != nil {
		return err
	}
	steps := 0
	e.model, err = s.Runner().Run(ctx, s.Spec.Rounds, func(f localsgd.RoundFacts, model []float32) error {
		steps += f.Steps / max(1, len(f.Plan.Tasks))
		if d := noise.Dist(noise.Changes(s.Job.Net.Layout(), before, model)); d != nil {
			e.dist = append(e.dist, *d)
		}
		copy(before, model)
		return nil
	})
	if err != nil {
		return err
	}
	e.lambda = sgd.LR * sgd.WeightDecay * float64(steps)
	e.train, e.test = s.TrainAccuracy(e.model, scored), s.TestAccuracy(e.model, scored)
	e.after, err = claims.Spectra(s.Job.Net, e.model)
	return err
}

// effective returns the mean effective rank of the hidden weights.
func (e *ended) effective() float64 { return claims.MeanOf(e.after, analysis.EffectiveRank) }

// rank returns their mean eps-rank.
func (e *ended) rank(eps float64) float64 { return claims.MeanOf(e.after, claims.EpsRank(eps)) }

// smallSeeds are those of the claims on small networks, whose runs take a fraction of a second: ranks of a few small matrices are
// coarse, and more seeds make up for it.
func smallSeeds(lab *claims.Lab) []uint64 { return claims.Seeds(claims.Pick(lab, 6, 10, 10)) }

// endAll makes the runs of every setting and seed; out[i][j] is setting i with seed j.
func endAll(ctx context.Context, lab *claims.Lab, id string, seeds []uint64, settings [][]string) ([][]*ended, error) {
	out := make([][]*ended, len(settings))
	for i := range out {
		out[i] = make([]*ended, len(seeds))
	}
	err := lab.Each(ctx, len(settings)*len(seeds), func(ctx context.Context, n int) error {
		i, j := n/len(seeds), n%len(seeds)
		var err error
		out[i][j], err = job{id, seeds[j], settings[i]}.end(ctx, lab)
		return err
	})
	return out, err
}

// The gate of rank comparisons.
const (
	gateAccuracy = 0.95
	gateBehind   = 0.02 // of the best of the group
)

// gate keeps the settings of a group whose runs have all learned their training set.
func gate(group [][]*ended) (kept []int, g *claims.Gate) {
	best := 0.0
	for _, runs := range group {
		for _, e := range runs {
			best = max(best, e.train)
		}
	}
	g = &claims.Gate{Rule: fmt.Sprintf("train accuracy >= %g and within %g of the best, %.3f, for every seed", gateAccuracy, gateBehind, best)}
	for i, runs := range group {
		learned := true
		for _, e := range runs {
			learned = learned && e.train >= gateAccuracy && e.train >= best-gateBehind
		}
		if learned {
			kept = append(kept, i)
			g.Kept += len(runs)
			continue
		}
		g.Dropped += len(runs)
	}
	return kept, g
}
