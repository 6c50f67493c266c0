package localsteps

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
)

// inequality is P6.4: over a grid of first rounds and over whole trainings.
func inequality(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	first, err := firstRounds(ctx, lab)
	if err != nil {
		return nil, err
	}
	all, err := histories(ctx, lab)
	if err != nil {
		return nil, err
	}
	var splits []*activity.Split
	for _, c := range first {
		splits = append(splits, c.splits...)
	}
	for _, h := range all {
		splits = append(splits, h.Splits...)
	}
	o, worst := judgeInequality(splits, 1)
	o.Setup = fmt.Sprintf("T1: widths %v, H %v, and every round of the trainings of P6.1: %d pairs of models, float64", t1Widths, t1Steps, len(splits))
	o.Predicted = "||grad F(W) - grad F(W')|| <= the smooth bound + the bound of the flipped gates, always"
	o.Measured = fmt.Sprintf("largest drift/bound %.3f", worst)
	return o, nil
}

// rounding is what the inequality may be broken by in float64, relative to the bound.
const rounding = 1e-10

// judgeInequality judges how far beyond part of its bound any drift is, relative to it. part is 1 but in the control.
func judgeInequality(splits []*activity.Split, part float64) (*claims.Outcome, float64) {
	var worst claims.Worst
	for _, s := range splits {
		switch {
		case s.Bound > 0:
			worst.Add(s.Drift/(part*s.Bound) - 1)
		case s.Drift > 0:
			worst.Add(math.Inf(1))
		}
	}
	return worst.Test(rounding), worst.Value() + 1
}

// corner is a first round of T1 at one width and number of steps, over all seeds.
type corner struct {
	variant
	splits []*activity.Split // seeds in order, all shards of each
	seeds  int
}

// flips returns the mean fraction of flipped gates of a seed.
func (c *corner) flips(seed int) float64 {
	n := len(c.splits) / c.seeds
	sum := 0.0
	for _, s := range c.splits[seed*n : (seed+1)*n] {
		sum += s.Flips / float64(n)
	}
	return sum
}

// t1Eta is the paper's step of the first rounds; half of it shows what the step does.
const t1Eta = 0.5

// firstRounds measures the grid of T1, once for P6.4 and P6.5.
func firstRounds(ctx context.Context, lab *claims.Lab) ([]*corner, error) {
	return claims.Once(lab, "localsteps first rounds", func() ([]*corner, error) {
		seeds := claims.Seeds(claims.Pick(lab, 3, 5, 6))
		var grid []*corner
		for _, m := range t1Widths {
			for _, h := range t1Steps {
				grid = append(grid, &corner{variant: variant{m, h, t1Eta}, seeds: len(seeds)})
			}
		}
		grid = append(grid, &corner{variant: variant{t1Widths[2], t1Steps[2], t1Eta / 2}, seeds: len(seeds)})
		err := lab.Each(ctx, len(grid), func(ctx context.Context, i int) error {
			c := grid[i]
			for _, seed := range seeds {
				splits, err := firstRound(ctx, lab, c.variant, seed)
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

// The slope of log flips over log width has to lie between these (P6.5).
const (
	leastSlope = -0.7
	mostSlope  = -0.3
)

// flipping is P6.5.
func flipping(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	grid, err := firstRounds(ctx, lab)
	if err != nil {
		return nil, err
	}
	o, slopes := judgeFlipping(grid)
	o.Setup = fmt.Sprintf("T1, the first round: widths %v, H %v, eta %v, and %v once", t1Widths, t1Steps, t1Eta, t1Eta/2)
	o.Predicted = "log flips over log width has a slope in [-0.7, -0.3] at every H above 1; flips rise with H and with eta"
	o.Measured = "slopes by H: " + slopes
	drawFlips(lab, grid)
	return o, nil
}

func at(grid []*corner, width, steps int, eta float64) *corner {
	for _, c := range grid {
		if c.variant == (variant{width, steps, eta}) {
			return c
		}
	}
	panic(fmt.Sprintf("localsteps: no corner of width %d, %d steps, eta %v", width, steps, eta))
}

func judgeFlipping(grid []*corner) (*claims.Outcome, string) {
	var parts []*claims.Outcome
	words := ""
	for _, h := range t1Steps {
		slopes := make([]float64, grid[0].seeds)
		for seed := range slopes {
			var x, y []float64
			for _, m := range t1Widths {
				x, y = append(x, math.Log(float64(m))), append(y, math.Log(max(at(grid, m, h, t1Eta).flips(seed), 1e-9)))
			}
			slopes[seed] = claims.Slope(x, y)
		}
		mean, _, _ := claims.Interval(slopes)
		words += fmt.Sprintf(" %d: %.2f", h, mean)
		if h == 1 {
			continue // a step flips too few gates of narrow networks to have a slope
		}
		parts = append(parts, claims.TestTrend(slopes, claims.Above, leastSlope), claims.TestTrend(slopes, claims.Below, mostSlope))
	}
	last, middle := t1Steps[len(t1Steps)-1], t1Widths[2]
	rise, step := make([]float64, grid[0].seeds), make([]float64, grid[0].seeds)
	for seed := range rise {
		rise[seed] = at(grid, middle, last, t1Eta).flips(seed) - at(grid, middle, t1Steps[0], t1Eta).flips(seed)
		step[seed] = at(grid, middle, t1Steps[2], t1Eta).flips(seed) - at(grid, middle, t1Steps[2], t1Eta/2).flips(seed)
	}
	parts = append(parts, claims.TestTrend(rise, claims.Above, 0), claims.TestTrend(step, claims.Above, 0))
	return claims.All(parts...), words
}
