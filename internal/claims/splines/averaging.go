package splines

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Bounds on relative violations of exact claims (PAPERS.md 8.1): in float64, and of the exact mean that is rounded to float32.
const (
	bound64 = 1e-10
	bound32 = 1e-5
	// weightings is how many random weightings of the networks are averaged.
	weightings = 50
)

func measureAveraging(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	f, err := train(ctx, lab, "P5.8")
	if err != nil {
		return nil, err
	}
	s, err := lab.Setting("P5.8", f.recipes[0].changes(1)...)
	if err != nil {
		return nil, err
	}
	var nets [][]float32
	for _, fit := range f.of(0) {
		nets = append(nets, fit.block)
	}
	return averaging(s, nets, func(members []*norm.Univariate, p []float64) float64 {
		sum := 0.0
		for k, m := range members {
			sum += p[k] * energy(m)
		}
		return sum
	})
}

// averaging checks that averages of networks keep under a bound: path norm <= half the squared weights <= bound, which is the
// weighted mean of the members' half squared weights, and that this is the mean of their path norms once they are balanced.
func averaging(s *claims.Setting, nets [][]float32, bound func(members []*norm.Univariate, p []float64) float64) (*claims.Outcome, error) {
	members := make([]*norm.Univariate, len(nets))
	for k := range nets {
		var err error
		if members[k], err = norm.NewUnivariate(s.Job.Net, nets[k]); err != nil {
			return nil, err
		}
	}
	var worst64, worst32, tightest float64
	for draw := range weightings {
		p := randomWeights(draw, len(nets))
		most := bound(members, p)
		wide := average(members, p)
		worst64 = math.Max(worst64, violation(wide, most))
		balanced := make([]*norm.Univariate, len(members))
		paths := 0.0
		for k, m := range members {
			balanced[k] = rebalanced(m)
			paths += p[k] * m.PathNorm()
		}
		worst64 = math.Max(worst64, math.Abs(meanEnergy(balanced, p)/paths-1))
		narrow, err := exactMean(s, nets, p)
		if err != nil {
			return nil, err
		}
		worst32 = math.Max(worst32, violation(narrow, most))
		tightest = math.Max(tightest, wide.PathNorm()/most)
	}
	o := claims.All(claims.TestBound(worst64, bound64), claims.TestBound(worst32, bound32))
	o.Setup = fmt.Sprintf("%d trained networks, %d random weightings; averages in float64, and by the exact mean of training in float32", len(nets), weightings)
	o.Predicted = fmt.Sprintf("no violation beyond %g in float64, %g in float32", bound64, bound32)
	o.Measured = fmt.Sprintf("%.2g in float64, %.2g in float32; path norm of averages at most %.3f of the bound", worst64, worst32, tightest)
	return o, nil
}

// violation returns by how much path norm <= energy <= most is violated, relative to its right sides.
func violation(u *norm.Univariate, most float64) float64 {
	e := energy(u)
	return math.Max(0, math.Max(u.PathNorm()/e-1, e/most-1))
}

func meanEnergy(members []*norm.Univariate, p []float64) float64 {
	sum := 0.0
	for k, m := range members {
		sum += p[k] * energy(m)
	}
	return sum
}

// rebalanced returns the same function with |v| = |w| in every unit.
func rebalanced(u *norm.Univariate) *norm.Univariate {
	out := *u
	out.V, out.W, out.B = make([]float64, len(u.V)), make([]float64, len(u.V)), make([]float64, len(u.V))
	for k, w := range u.W {
		if u.V[k] == 0 || w == 0 {
			continue // without path norm; balanced, the unit is a constant or nothing
		}
		g := math.Sqrt(math.Abs(u.V[k] / w))
		out.V[k], out.W[k], out.B[k] = u.V[k]/g, w*g, u.B[k]*g
	}
	return &out
}

func average(members []*norm.Univariate, p []float64) *norm.Univariate {
	n := len(members[0].V)
	out := &norm.Univariate{V: make([]float64, n), W: make([]float64, n), B: make([]float64, n), Slope: members[0].Slope}
	for k, m := range members {
		for i := range n {
			out.V[i] += p[k] * m.V[i]
			out.W[i] += p[k] * m.W[i]
			out.B[i] += p[k] * m.B[i]
		}
	}
	return out
}

// randomWeights returns positive weights of sum 1; those of draw 0 are equal.
func randomWeights(draw, n int) []float64 {
	stream := keyed.New(1, "splines weights", uint64(draw))
	p, total := make([]float64, n), 0.0
	for k := range p {
		p[k] = 1
		if draw > 0 {
			p[k] = stream.Gamma(0.5)
		}
		total += p[k]
	}
	for k := range p {
		p[k] /= total
	}
	return p
}

// exactMean averages blocks as training does.
func exactMean(s *claims.Setting, nets [][]float32, p []float64) (*norm.Univariate, error) {
	layout := s.Job.Net.Layout()
	sum := localsgd.NewSum(localsgd.NewGrid(layout, nets[0]))
	for k, net := range nets {
		share := localsgd.Share{Shard: k, Weight: localsgd.Weight(p[k] * float64(localsgd.One))}
		if err := sum.Add(share, net); err != nil {
			return nil, err
		}
	}
	mean := make([]float32, layout.Size())
	if err := sum.Mean(mean); err != nil {
		return nil, err
	}
	return norm.NewUnivariate(s.Job.Net, mean)
}
