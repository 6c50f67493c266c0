package splines

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/internal/claims"
)

const (
	// variationBound is the bound on relative errors that P5.1 names.
	variationBound = 1e-9
	// draws is how many random networks are looked at.
	draws = 20
)

// variation returns the total variation of f', by the slopes between all places where a unit bends.
func variation(u *norm.Univariate) float64 {
	var at []float64
	for k, w := range u.W {
		if w != 0 {
			at = append(at, -u.B[k]/w)
		}
	}
	if len(at) == 0 {
		return 0
	}
	slices.Sort(at)
	sum, before := 0.0, slope(u, at[0]-1)
	for i := range at {
		x := at[i] + 1
		if i+1 < len(at) {
			x = at[i] + (at[i+1]-at[i])/2
		}
		now := slope(u, x)
		sum += math.Abs(now - before)
		before = now
	}
	return sum
}

// slope returns f'(x), x no place where a unit bends, from the units that are active there.
func slope(u *norm.Univariate, x float64) float64 {
	sum := u.Skip
	for k, w := range u.W {
		if w*x+u.B[k] > 0 {
			sum += u.V[k] * w
		} else {
			sum += u.Slope * u.V[k] * w
		}
	}
	return sum
}

// pathNorm returns the path norm as the live measurement of any network has it.
func pathNorm(s *claims.Setting, block []float32) (float64, error) {
	p, err := norm.NewPath(s.Job.Net)
	if err != nil {
		return 0, err
	}
	total := p.Norm(block)
	if skip, ok := s.Job.Net.Layout().Lookup("0.shortcut.0.weight"); ok {
		for _, v := range block[skip.Offset : skip.Offset+skip.Size] {
			total -= math.Abs(float64(v)) // M17: the skip connection does not count for shallow networks
		}
	}
	return total, nil
}

func measureVariation(_ context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return sameVariation(lab, "P5.1", func(float64) float64 { return 1 })
}

// sameVariation compares the variation of random networks with their path norm times share(slope of the activation).
func sameVariation(lab *claims.Lab, id string, share func(a float64) float64, changes ...string) (*claims.Outcome, error) {
	worst, text := 0.0, ""
	var width int
	for seed := range draws {
		s, err := lab.Setting(id, append([]string{fmt.Sprint("seed=", seed+1)}, changes...)...)
		if err != nil {
			return nil, err
		}
		start := s.Job.Start()
		u, err := norm.NewUnivariate(s.Job.Net, start)
		if err != nil {
			return nil, err
		}
		path, err := pathNorm(s, start)
		if err != nil {
			return nil, err
		}
		tv := variation(u)
		worst = math.Max(worst, math.Abs(tv/(share(u.Slope)*path)-1))
		if seed == 0 {
			width, text = len(u.W), fmt.Sprintf("path norm %.9f, variation %.9f of the first", path, tv)
		}
	}
	o := claims.TestBound(worst, variationBound)
	o.Setup = fmt.Sprintf("%d draws of %d units with biases, parameters in float32", draws, width)
	o.Predicted = fmt.Sprintf("relative difference at most %g", variationBound)
	o.Measured = fmt.Sprintf("%.2g; %s", worst, text)
	return o, nil
}

// leakySlopes are the slopes of P5.7.
var leakySlopes = []float64{0.1, 0.3, 0.5, 0.8}

func measureLeaky(_ context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return leaky(lab, func(a float64) float64 { return 1 - a })
}

// leaky compares variation and path norm under leaky ReLUs, and what the function of a ReLU network costs under them.
func leaky(lab *claims.Lab, share func(a float64) float64) (*claims.Outcome, error) {
	var parts []*claims.Outcome
	for _, a := range leakySlopes {
		o, err := sameVariation(lab, "P5.7", share, fmt.Sprintf("model.shallow.activation={leaky_relu: {slope: %g}}", a))
		if err != nil {
			return nil, err
		}
		parts = append(parts, o)
	}
	same, text, err := sameFunction(lab, share)
	if err != nil {
		return nil, err
	}
	worst := slices.MaxFunc(append(parts, same), func(a, b *claims.Outcome) int { return cmp.Compare(*a.Effect, *b.Effect) })
	o := claims.TestBound(*worst.Effect, variationBound)
	o.Setup, o.Predicted = parts[0].Setup+fmt.Sprintf(", slopes %v", leakySlopes), parts[0].Predicted
	o.Measured = fmt.Sprintf("at most %.2g; the same function under leaky ReLU: %s", *worst.Effect, text)
	return o, nil
}

// sameFunction writes ReLU networks with leaky ReLUs and a skip connection, and compares functions and costs.
func sameFunction(lab *claims.Lab, share func(a float64) float64) (*claims.Outcome, string, error) {
	s, err := lab.Setting("P5.7")
	if err != nil {
		return nil, "", err
	}
	u, err := norm.NewUnivariate(s.Job.Net, s.Job.Start())
	if err != nil {
		return nil, "", err
	}
	worst, text := 0.0, ""
	for _, a := range leakySlopes {
		l := leakyTwin(u, a)
		for i := range 401 {
			x := -2 + float64(i)/100
			worst = math.Max(worst, math.Abs(l.At(x)-u.At(x))/math.Max(1, math.Abs(u.At(x))))
		}
		ratio := l.PathNorm() / u.PathNorm()
		worst = math.Max(worst, math.Abs(ratio*share(a)-1))
		text += fmt.Sprintf(" %.4g at slope %g,", ratio, a)
	}
	return claims.TestBound(worst, variationBound), "path norm times" + text[:len(text)-1], nil
}

// leakyTwin is the function of a ReLU network as a leaky one: relu(t) = (rho_a(t) - a t) / (1-a).
func leakyTwin(u *norm.Univariate, a float64) *norm.Univariate {
	l := &norm.Univariate{V: slices.Clone(u.V), W: u.W, B: u.B, Slope: a, HasSkip: true, Skip: u.Skip, Offset: u.Offset}
	for k, v := range u.V {
		l.V[k] = v / (1 - a)
		l.Skip -= a * l.V[k] * u.W[k]
		l.Offset -= a * l.V[k] * u.B[k]
	}
	return l
}
