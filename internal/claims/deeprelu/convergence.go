package deeprelu

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

const (
	// tailDraws is how many networks P2.3 draws.
	tailDraws = 20
	// lift is the bias of the first layer that keeps all units active for P2.5.
	lift = 5
	// stepTolerance is how close to sqrt(2 - 2/pi) the mean step of wide He networks has to be (P2.4): the spread over depth
	// that PAPERS.md reports, .035 of 1.169.
	stepTolerance = 0.03
	// leastStep is what the smallest step of any layer has to be above: bounded away from 0 (P2.4).
	leastStep = 0.5
)

// heStep is sqrt(2 - 2/pi), the relative step of a wide layer of independent Gaussian weights.
var heStep = math.Sqrt(2 - 2/math.Pi)

// tailing returns the bounds on ||x_N - x_n||, n = 1, 2, ..., for an input whose first state has the norm first.
type tailing func(d activity.Depth, first float64) []float64

func measureTails(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return refused(tails(ctx, lab, activity.Depth.Tails))
}

// tailCheck is one network's states beside the bound.
type tailCheck struct {
	worst64, worst32 claims.Worst // largest ||x_N - x_n|| / bound
	moved, bound     []float64    // mean over the inputs, by n
	step             []float64    // mean ||x_n - x_(n-1)|| / ||x_(n-1)||, NaN for n = 1
}

// tails compares the distance of every state from the last with the bound, over many networks.
func tails(ctx context.Context, lab *claims.Lab, bound tailing) (*claims.Outcome, error) {
	checks := make([]*tailCheck, tailDraws)
	err := lab.Each(ctx, len(checks), func(_ context.Context, i int) error {
		s, err := lab.Setting("P2.3", fmt.Sprint("seed=", i+1))
		if err != nil {
			return err
		}
		d, err := newDeep(s, startOf(s))
		if err != nil {
			return err
		}
		checks[i] = checkTails(d, bound)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s, err := lab.Setting("P2.3")
	if err != nil {
		return nil, err
	}
	d, err := newDeep(s, s.Job.Start())
	if err != nil {
		return nil, err
	}
	var worst64, worst32 claims.Worst
	for _, c := range checks {
		worst64.Merge(c.worst64)
		worst32.Merge(c.worst32)
	}
	o := claims.All(worst64.Test(1+bound64), worst32.Test(1+bound32))
	o.Setup = fmt.Sprintf("%s, %d draws, biases %g n^-2, %d examples", describe(s, d), tailDraws, biasScale, len(examples(s, looked)))
	o.Predicted = "distance from the last state at most the bound at every depth"
	o.Measured = fmt.Sprintf("at most %.3g of the bound in float64, %.3g in float32", worst64.Value(), worst32.Value())
	for n := 1; n < len(checks[0].moved); n *= 10 {
		var moved, bounds []float64
		for _, c := range checks {
			moved, bounds = append(moved, c.moved[n-1]), append(bounds, c.bound[n-1])
		}
		o.Measured += fmt.Sprintf("; n = %d: %.2g, bound %.2g", n, claims.Mean(moved), claims.Mean(bounds))
	}
	drawTails(lab, checks)
	return o, nil
}

func checkTails(d *deep, bound tailing) *tailCheck {
	c := &tailCheck{}
	states := statesOf[float64](d, looked)
	c.worst64 = c.look(d, states, bound)
	c.worst32 = new(tailCheck).look(d, statesOf[float32](d, looked), bound)
	return c
}

// look fills in the means and returns the largest distance relative to its bound.
func (c *tailCheck) look(d *deep, states []*mat.Dense, bound tailing) claims.Worst {
	inputs, _ := states[0].Dims()
	c.moved, c.bound, c.step = make([]float64, len(states)), make([]float64, len(states)), make([]float64, len(states))
	var worst claims.Worst
	for e := range inputs {
		last := states[len(states)-1].RawRowView(e)
		limits := bound(d.depth, length(states[0].RawRowView(e)))
		for i := range states {
			x := states[i].RawRowView(e)
			moved := apart(last, x)
			if i+1 < len(states) {
				worst.Add(moved / limits[i])
			}
			c.moved[i] += moved / float64(inputs)
			c.bound[i] += limits[i] / float64(inputs)
			if i > 0 {
				before := states[i-1].RawRowView(e)
				c.step[i] += apart(x, before) / length(before) / float64(inputs)
			}
		}
	}
	c.step[0] = math.NaN()
	return worst
}

func measureSteps(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return steps(ctx, lab)
}

// steps compares the relative steps of independent layers with the law for wide ones.
func steps(ctx context.Context, lab *claims.Lab, extra ...string) (*claims.Outcome, error) {
	seeds := lab.Seeds()
	moved := make([][]float64, len(seeds))
	var setup string
	err := lab.Each(ctx, len(seeds), func(_ context.Context, i int) error {
		s, err := lab.Setting("P2.4", append([]string{fmt.Sprint("seed=", seeds[i])}, extra...)...)
		if err != nil {
			return err
		}
		if i == 0 {
			setup = fmt.Sprintf("%d activations, %d examples", len(s.Job.Net.Activations()), len(examples(s, 4*looked)))
		}
		moved[i], err = movement(s)
		return err
	})
	if err != nil {
		return nil, err
	}
	var ratios, least []float64
	for _, m := range moved {
		smallest := math.Inf(1)
		for _, v := range m {
			smallest = math.Min(smallest, v)
		}
		ratios, least = append(ratios, claims.Mean(m)/heStep), append(least, smallest)
	}
	o := claims.All(claims.TestWithin(ratios, stepTolerance), claims.TestTrend(least, claims.Above, leastStep))
	o.Setup = setup
	o.Predicted = fmt.Sprintf("mean step %.4f to %g of it, no layer below %g", heStep, stepTolerance, leastStep)
	o.Measured = fmt.Sprintf("%.4f; smallest of any layer %.3f", claims.Mean(ratios)*heStep, claims.Mean(least))
	drawSteps(lab, moved[0])
	return o, nil
}

// movement returns the mean relative step of every layer from the second on.
func movement(s *claims.Setting) ([]float64, error) {
	chosen := examples(s, 4*looked)
	machine := relu.NewMachine[float32](s.Job.Net, len(chosen))
	watch := activity.NewMovement(s.Job.Net)
	machine.Watch(watch)
	machine.Forward(s.Job.Start(), localsgd.Fill(machine, s.Job.Data.Train, chosen))
	var moved []float64
	for _, l := range watch.Layers() {
		if l.Relative != nil {
			moved = append(moved, *l.Relative)
		}
	}
	if len(moved) == 0 {
		return nil, &notOfForm{"no two activations of one width follow each other"}
	}
	return moved, nil
}

func measureNecessary(_ context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return refused(necessary(lab, func(s []float64) float64 { return s[len(s)-1] }))
}

// necessary compares how far layers are from the identity, times a singular value of the states that they see, with how far they
// move these.
func necessary(lab *claims.Lab, value func(s []float64) float64) (*claims.Outcome, error) {
	s, err := lab.Setting("P2.5")
	if err != nil {
		return nil, err
	}
	block := startOf(s)
	bias, ok := s.Job.Net.Layout().Lookup("0.bias")
	if !ok {
		return nil, &notOfForm{"the first layer has no bias that could keep all units active"}
	}
	for i := range bias.Size {
		block[bias.Offset+i] += lift
	}
	d, err := newDeep(s, block)
	if err != nil {
		return nil, err
	}
	worst64, active, err := necessaryIn[float64](d, value)
	if err != nil {
		return nil, err
	}
	worst32, _, err := necessaryIn[float32](d, value)
	if err != nil {
		return nil, err
	}
	o := claims.All(claims.TestBound(worst64, 1+bound64), claims.TestBound(worst32, 1+bound32))
	o.Setup = fmt.Sprintf("%s, first biases %d higher, all units active for all inputs at %d layers", describe(s, d), lift, active)
	o.Predicted = "sigma_min([X; 1]) ||[W - I, b]|| at most the movement of the states"
	o.Measured = fmt.Sprintf("at most %.3g of it in float64, %.3g in float32", worst64, worst32)
	return o, nil
}

// necessaryIn returns the largest ratio of the left to the right side over the layers at which all units are active for width + 1
// inputs, and how many such layers there are.
func necessaryIn[F kernel.Float](d *deep, value func(s []float64) float64) (worst float64, active int, err error) {
	width, _ := d.layers[0].w.Dims()
	states := statesOf[F](d, width+1)
	inputs, _ := states[0].Dims()
	if inputs <= width {
		return 0, 0, &notOfForm{fmt.Sprintf("the claim takes %d examples", width+1)}
	}
	for n := 1; n < len(states); n++ {
		if mat.Min(states[n]) <= 0 {
			continue
		}
		active++
		before := mat.NewDense(inputs, width+1, nil) // [X_(n-1); 1], transposed
		before.Augment(states[n-1], ones(inputs))
		var svd mat.SVD
		if !svd.Factorize(before, mat.SVDNone) {
			return 0, 0, fmt.Errorf("singular values of the states before layer %d did not converge", n+1)
		}
		var moved mat.Dense
		moved.Sub(states[n], states[n-1])
		identity := d.depth.Layers[n-1]
		off := math.Hypot(identity.Frobenius, identity.Bias)
		worst = math.Max(worst, value(svd.Values(nil))*off/mat.Norm(&moved, 2))
	}
	if active == 0 {
		return 0, 0, &notOfForm{"no layer has all units active for all inputs"}
	}
	return worst, active, nil
}

func ones(n int) *mat.Dense {
	column := mat.NewDense(n, 1, nil)
	for i := range n {
		column.Set(i, 0, 1)
	}
	return column
}
