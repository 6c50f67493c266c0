package deeprelu

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/internal/claims"
)

const (
	// rateTolerance is how close to 1/2 - p a slope has to be (P2.7).
	rateTolerance = 0.1
	// rateFrom is the first n of the slope: below it sums over n < k <= 2n are not yet like integrals.
	rateFrom = 8
	// rateDraws is how many networks one seed averages.
	rateDraws = 4
	// settled and restless are what ||A_2n - A_n|| / ||A_n|| has to be below near the identity, and above for He's start, at half
	// the depth (P2.8).
	settled, restless = 0.01, 0.5
)

// powers are those of P2.7: sum ||P_n|| converges for p above 1 alone, states for p above 1/2.
var powers = []float64{0.75, 1, 1.5, 2}

func measureRate(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return refused(rate(ctx, lab, func(p float64) float64 { return 0.5 - p }))
}

// rate compares the slope of log ||x_2n - x_n|| / ||x_n|| in log n with a law, for every power.
func rate(ctx context.Context, lab *claims.Lab, law func(p float64) float64) (*claims.Outcome, error) {
	seeds := lab.Seeds()
	slopes := make([]float64, len(powers)*len(seeds))
	curves := make([][]float64, len(slopes))
	err := lab.Each(ctx, len(slopes), func(_ context.Context, i int) error {
		var err error
		curves[i], err = rateCurve(lab, powers[i/len(seeds)], seeds[i%len(seeds)])
		if err == nil {
			slopes[i], err = logSlope(curves[i])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var parts []*claims.Outcome
	text := ""
	for i, p := range powers {
		var off []float64
		own := slopes[i*len(seeds) : (i+1)*len(seeds)]
		for _, slope := range own {
			off = append(off, math.Abs(slope-law(p)))
		}
		parts = append(parts, claims.TestTrend(off, claims.Below, rateTolerance))
		text += fmt.Sprintf("; p = %g: %.3f, law %.3f", p, claims.Mean(own), law(p))
	}
	s, err := lab.Setting("P2.7")
	if err != nil {
		return nil, err
	}
	o := claims.All(parts...)
	o.Setup = fmt.Sprintf("%d layers, %d networks a seed, n = %d, %d, ... to half the depth", len(s.Job.Net.Activations()), rateDraws, rateFrom, 2*rateFrom)
	o.Predicted = fmt.Sprintf("slope 1/2 - p within %g", rateTolerance)
	o.Measured = text[2:]
	drawRate(lab, curves, len(seeds))
	return o, nil
}

// rateCurve returns the mean over networks and inputs of ||x_2n - x_n|| / ||x_n|| for n = rateFrom, 2 rateFrom, ...
func rateCurve(lab *claims.Lab, p float64, seed uint64) ([]float64, error) {
	var curve []float64
	for draw := range rateDraws {
		s, err := lab.Setting("P2.7", fmt.Sprint("seed=", 100*seed+uint64(draw)), fmt.Sprintf("model.init={identity: {p: %g}}", p))
		if err != nil {
			return nil, err
		}
		d, err := newDeep(s, s.Job.Start())
		if err != nil {
			return nil, err
		}
		for i, v := range doubling(statesOf[float64](d, looked)) {
			if draw == 0 {
				curve = append(curve, 0)
			}
			curve[i] += v / rateDraws
		}
	}
	return curve, nil
}

// doubling returns the mean of ||x_2n - x_n|| / ||x_n|| for n = rateFrom, 2 rateFrom, ... over the inputs whose state is not 0, where
// it stays; NaN if there is none.
func doubling(states []*mat.Dense) []float64 {
	inputs, _ := states[0].Dims()
	var out []float64
	for n := rateFrom; 2*n <= len(states); n *= 2 {
		sum, alive := 0.0, 0
		for e := range inputs {
			if x := states[n-1].RawRowView(e); length(x) > 0 {
				sum += apart(states[2*n-1].RawRowView(e), x) / length(x)
				alive++
			}
		}
		out = append(out, sum/float64(alive))
	}
	return out
}

// logSlope returns the slope of the logarithms over n = rateFrom, 2 rateFrom, ...
func logSlope(curve []float64) (float64, error) {
	if len(curve) < 2 {
		return 0, &notOfForm{fmt.Sprintf("a slope takes at least %d layers", 4*rateFrom)}
	}
	var x, y []float64
	for i, v := range curve {
		x, y = append(x, math.Log(rateFrom)+float64(i)*math.Ln2), append(y, math.Log(v))
	}
	return claims.Slope(x, y), nil
}

// He's start, as a change of a spec.
const he = "model.init={kaiming_normal: {}}"

func measureProducts(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return refused(products(ctx, lab))
}

// products compares how much the product of the J_i W_i still changes from half the depth to the whole, near the identity and for
// He's start.
func products(ctx context.Context, lab *claims.Lab, extra ...string) (*claims.Outcome, error) {
	seeds := lab.Seeds()
	near, far := make([]float64, len(seeds)), make([]float64, len(seeds))
	err := lab.Each(ctx, 2*len(seeds), func(_ context.Context, i int) error {
		changes, to := append([]string{fmt.Sprint("seed=", seeds[i/2])}, extra...), near
		if i%2 == 1 {
			changes, to = append(changes, he), far
		}
		s, err := lab.Setting("P2.8", changes...)
		if err != nil {
			return err
		}
		d, err := newDeep(s, s.Job.Start())
		if err != nil {
			return err
		}
		to[i/2] = productChange(d)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s, err := lab.Setting("P2.8")
	if err != nil {
		return nil, err
	}
	o := claims.All(claims.TestTrend(near, claims.Below, settled), claims.TestTrend(far, claims.Above, restless))
	n := len(s.Job.Net.Activations())
	o.Setup = fmt.Sprintf("%d layers, products of %d and of all", n, n/2)
	o.Predicted = fmt.Sprintf("relative change below %g near the identity, above %g for He's start", settled, restless)
	o.Measured = fmt.Sprintf("%.2g near the identity, %.2g for He's start", claims.Mean(near), claims.Mean(far))
	return o, nil
}

// productChange returns ||A_2n - A_n||_F / ||A_n||_F for the products A along the first example, 2n the depth.
func productChange(d *deep) float64 {
	gates := open(statesOf[float64](d, 1), 0)
	n := len(gates) / 2
	half, _ := d.product(gates, n)
	all, _ := d.product(gates, 2*n)
	var change mat.Dense
	change.Sub(all, half)
	return mat.Norm(&change, 2) / mat.Norm(half, 2)
}
