package localsteps

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
)

// corner is a first round of T1 at one width and number of steps, over all seeds.
type corner struct {
	variant
	splits []*activity.Split // seeds in order, all shards of each
	seeds  int
}

// flips returns the fraction of flipped gates over all seeds but one, -1 for all: counts are added before anybody takes logarithms,
// since a single round of one step may flip none.
func (c *corner) flips(without int) float64 {
	n := len(c.splits) / c.seeds
	sum, counted := 0.0, 0
	for i, s := range c.splits {
		if i/n != without {
			sum, counted = sum+s.Flips, counted+1
		}
	}
	return sum / float64(counted)
}

// t1Eta is the paper's step of the first rounds; half of it, at one number of steps, shows what the step does.
const t1Eta = 0.5

// halvedAt is the number of steps at which both steps are taken.
const halvedAt = 10

// firstSeeds are those of the first rounds, which cost next to nothing; in float32 there is no slope to judge, and few will do.
func firstSeeds[F kernel.Float](lab *claims.Lab) []uint64 {
	if _, narrow := any(F(0)).(float32); narrow {
		return claims.Seeds(3)
	}
	return claims.Seeds(claims.Pick(lab, 10, 20, 20))
}

// firstRounds measures the grid of T1, once for P6.4 and P6.5.
func firstRounds[F kernel.Float](ctx context.Context, lab *claims.Lab) ([]*corner, error) {
	return claims.Once(lab, fmt.Sprintf("localsteps first rounds %T", F(0)), func() ([]*corner, error) {
		seeds := firstSeeds[F](lab)
		var grid []*corner
		for _, m := range t1Widths {
			for _, h := range t1Steps {
				grid = append(grid, &corner{variant: variant{m, h, t1Eta}, seeds: len(seeds)})
			}
			grid = append(grid, &corner{variant: variant{m, halvedAt, t1Eta / 2}, seeds: len(seeds)})
		}
		err := lab.Each(ctx, len(grid), func(ctx context.Context, i int) error {
			c := grid[i]
			for _, seed := range seeds {
				splits, err := firstRound[F](ctx, lab, c.variant, seed)
				if err != nil {
					return err
				}
				c.splits = append(c.splits, splits...)
			}
			return nil
		})
		return grid, err
	})
}

func at(grid []*corner, width, steps int, eta float64) *corner {
	for _, c := range grid {
		if c.variant == (variant{width, steps, eta}) {
			return c
		}
	}
	panic(fmt.Sprintf("localsteps: no corner of width %d, %d steps, eta %v", width, steps, eta))
}

// The slope of log flips over log width has to lie between these (P6.5).
const (
	leastSlope = -0.7
	mostSlope  = -0.3
)

// flipping is P6.5.
func flipping(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	grid, err := firstRounds[float64](ctx, lab)
	if err != nil {
		return nil, err
	}
	parts, slopes := judgeFlipping(grid)
	onMNIST, words, err := mnistFlipping(ctx, lab)
	if err != nil {
		return nil, err
	}
	o := claims.All(append(parts, onMNIST...)...)
	o.Setup = fmt.Sprintf("T1, the first round: widths %v, H %v, eta %v, and %v at H = %d, counts of %d seeds together, intervals by jackknife; T2: the first round of the perceptron of P6.6",
		t1Widths, t1Steps, t1Eta, t1Eta/2, halvedAt, grid[0].seeds)
	o.Predicted = fmt.Sprintf("T1: log flips over log width has a slope in [%g, %g] at every H, flips rise with H and with eta at every width; T2: flips fall with the width", leastSlope, mostSlope)
	o.Measured = "T1, slopes by H: " + slopes + "; T2: " + words
	drawFlips(lab, grid)
	return o, nil
}

// judgeFlipping judges T1: one slope over the width for every H, and that flips rise with H and eta at every width.
func judgeFlipping(grid []*corner) (parts []*claims.Outcome, words string) {
	seeds := grid[0].seeds
	var told []string
	for _, h := range t1Steps {
		slopes := claims.Jackknife(seeds, func(without int) float64 {
			return slopeOf(t1Widths, func(m int) float64 { return at(grid, m, h, t1Eta).flips(without) })
		})
		mean, ci, _ := claims.Interval(slopes)
		told = append(told, fmt.Sprintf("%d: %.2f [%.2f, %.2f]", h, mean, ci[0], ci[1]))
		parts = append(parts, judgeFlips(fmt.Sprintf("slope over the width at H = %d", h), slopes, claims.Above, leastSlope),
			judgeFlips(fmt.Sprintf("slope over the width at H = %d", h), slopes, claims.Below, mostSlope))
	}
	for _, m := range t1Widths {
		overH := claims.Jackknife(seeds, func(without int) float64 {
			return slopeOf(t1Steps, func(h int) float64 { return at(grid, m, h, t1Eta).flips(without) })
		})
		overEta := claims.Jackknife(seeds, func(without int) float64 {
			return math.Log(at(grid, m, halvedAt, t1Eta).flips(without) / at(grid, m, halvedAt, t1Eta/2).flips(without))
		})
		parts = append(parts, judgeFlips(fmt.Sprintf("rise with H at width %d", m), overH, claims.Above, 0),
			judgeFlips(fmt.Sprintf("rise with eta at width %d", m), overEta, claims.Above, 0))
	}
	return parts, strings.Join(told, ", ")
}

// judgeFlips tests an effect on logarithms, which do not exist where no gate has flipped.
func judgeFlips(name string, effects []float64, side claims.Side, threshold float64) *claims.Outcome {
	o := claims.TestTrend(effects, side, threshold)
	if o.Effect == nil {
		o = claims.Untested("without some seed no gate flips at some width, and 0 has no logarithm")
	}
	o.Why = name + ": " + o.Why
	return o
}

// slopeOf returns the slope of log value over log x.
func slopeOf(x []int, value func(x int) float64) float64 {
	var a, b []float64
	for _, v := range x {
		a, b = append(a, math.Log(float64(v))), append(b, math.Log(value(v)))
	}
	return claims.Slope(a, b)
}
