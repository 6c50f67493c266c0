package lowrank

import (
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// axis is a hyperparameter of the grid of P1.14, and the claim of which its comparisons are the marginal.
type axis struct {
	id, name string
	of       func(s *claims.Setting) float64
	falls    bool // the rank is claimed to fall with it
}

var axes = []axis{
	{"P1.1", "lr", func(s *claims.Setting) float64 { return s.Job.Local.SGD.LR }, true},
	{"P1.2", "wd", func(s *claims.Setting) float64 { return s.Job.Local.SGD.WeightDecay }, true},
	{"P1.3", "B", func(s *claims.Setting) float64 { return float64(s.Job.Local.Schedule.Batch) }, false},
}

// marginals counts, over a grid, the pairs of settings that differ in one hyperparameter alone and whose mean effective ranks differ as
// P1.1 to P1.3 claim: these three are one effect at equal epochs, that of Lambda, and no three confirmations.
func marginals(all [][]*ended, kept []int) string {
	var parts []string
	for _, a := range axes {
		agree, compared := a.count(all, kept)
		parts = append(parts, fmt.Sprintf("%s (%s) %d of %d", a.id, a.name, agree, compared))
	}
	return strings.Join(parts, ", ")
}

// count compares every two settings that are equal but for the axis.
func (a axis) count(all [][]*ended, kept []int) (agree, compared int) {
	for _, i := range kept {
		for _, j := range kept {
			low, high := all[i], all[j]
			if !(a.of(low[0].setting) < a.of(high[0].setting)) || !a.alone(low[0].setting, high[0].setting) {
				continue
			}
			compared++
			if change := mean(high, (*ended).effective) - mean(low, (*ended).effective); change < 0 == a.falls && change != 0 {
				agree++
			}
		}
	}
	return agree, compared
}

// alone tells whether two settings have the same values on all other axes.
func (a axis) alone(s, t *claims.Setting) bool {
	for _, other := range axes {
		if other.id != a.id && other.of(s) != other.of(t) {
			return false
		}
	}
	return true
}
