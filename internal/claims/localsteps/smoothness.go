package localsteps

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// The activations of P6.3; the last two are the smooth controls.
var activations = []struct{ name, layer string }{
	{"ReLU", "relu: {}"}, {"leaky ReLU 0.5", "leaky_relu: {slope: 0.5}"}, {"softplus", "softplus: {}"}, {"linear", "leaky_relu: {slope: 1}"},
}

const (
	controlSlope = 0.05 // the controls stay so close to slope 1
	reluSlope    = 0.9  // ReLU falls below it somewhere between
	leastRadius  = 1e-5
	mostRadius   = 10
	perDecade    = 4
)

// slopes is the local log-log slope of ||grad F(W) - grad F(W + rD)|| by radius.
type slopes struct {
	name   string
	radius []float64
	values []float64
}

// smoothness is P6.3.
func smoothness(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	seeds := lab.Seeds()
	all := make([][]slopes, len(seeds)) // by seed, by activation
	err := lab.Each(ctx, len(seeds), func(_ context.Context, i int) error {
		for a := range activations {
			s, err := measureSlopes(lab, a, seeds[i])
			if err != nil {
				return err
			}
			all[i] = append(all[i], s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	o := judgeSmoothness(all)
	o.Setup = fmt.Sprintf("T1's network, radii %.0e to %v along a random direction, float64, %d seeds", leastRadius, float64(mostRadius), len(seeds))
	o.Predicted = "softplus and linear: slope 1 within 0.05 at every radius; ReLU below 0.9 at some"
	o.Measured = describeSlopes(all)
	drawSlopes(lab, all[0])
	return o, nil
}

func measureSlopes(lab *claims.Lab, activation int, seed uint64) (slopes, error) {
	base, err := lab.Spec("P6.3")
	if err != nil {
		return slopes{}, err
	}
	first, err := hidden(base)
	if err != nil {
		return slopes{}, err
	}
	s, err := lab.Setting("P6.3", fmt.Sprintf("seed=%d", seed), "model.layers="+oneHidden(first.In, first.Out, activations[activation].layer))
	if err != nil {
		return slopes{}, err
	}
	x := newExperiment[float64](s)
	start := x.start()
	direction := unit(x.Job.Net.Layout().At(0).Size, seed)
	out := slopes{name: activations[activation].name}
	norm := func(r float64) float64 {
		there := slices.Clone(start)
		for i, d := range direction {
			there[i] += r * d
		}
		return claims.Distance(x.gradient(0, start)[:len(direction)], x.gradient(0, there)[:len(direction)])
	}
	ratio := math.Pow(10, 1.0/perDecade)
	for r := leastRadius; r <= mostRadius*1.0001; r *= ratio {
		out.radius = append(out.radius, r)
		out.values = append(out.values, math.Log(norm(r*math.Sqrt(ratio))/norm(r/math.Sqrt(ratio)))/math.Log(ratio))
	}
	return out, nil
}

// unit draws a random direction of length 1 for the first n parameters: those of the trained layer.
func unit(n int, seed uint64) []float64 {
	stream := keyed.New(seed, "direction")
	d, sum := make([]float64, n), 0.0
	for i := range d {
		d[i] = stream.Normal()
		sum += d[i] * d[i]
	}
	for i := range d {
		d[i] /= math.Sqrt(sum)
	}
	return d
}

// judgeSmoothness judges the controls by their worst radius and ReLU by its lowest.
func judgeSmoothness(all [][]slopes) *claims.Outcome {
	var controls, relu []float64
	for _, seed := range all {
		var control, lowest claims.Worst
		for _, s := range seed[2:] {
			for _, v := range s.values {
				control.Add(math.Abs(v - 1))
			}
		}
		for _, v := range seed[0].values {
			lowest.Add(-v)
		}
		controls, relu = append(controls, control.Value()), append(relu, -lowest.Value())
	}
	return claims.All(claims.TestTrend(controls, claims.Below, controlSlope), claims.TestTrend(relu, claims.Below, reluSlope))
}

func describeSlopes(all [][]slopes) string {
	text := ""
	for a := range activations {
		low, high := math.Inf(1), math.Inf(-1)
		for _, seed := range all {
			low, high = min(low, slices.Min(seed[a].values)), max(high, slices.Max(seed[a].values))
		}
		text += fmt.Sprintf("%s %.2f to %.2f; ", activations[a].name, low, high)
	}
	return text[:len(text)-2]
}
