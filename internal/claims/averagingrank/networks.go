package averagingrank

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/claims"
)

// From when on P1.12c compares: local steps, and for eps-ranks Lambda over the onset. Its eps lies above every crossover of the grid
// and below the directions of the classes, which averages and members have in common.
const (
	longPhase   = 100
	pastOnset   = 1.5
	comparedEps = 0.02
)

// group is the runs of one setting over the seeds.
type group struct {
	cell // of the first seed
	runs []*trained
}

// groupsOf collects runs by setting, in their order.
func groupsOf(runs []*trained) []*group {
	var out []*group
	at := map[cell]*group{}
	for _, r := range runs {
		key := r.cell
		key.seed = 0
		if at[key] == nil {
			at[key] = &group{cell: key}
			out = append(out, at[key])
		}
		at[key].runs = append(at[key].runs, r)
	}
	return out
}

func (g *group) name() string { return strings.TrimSuffix(g.String(), " seed 0") }

// gated tells whether all runs have learned their training set: pairs of seeds need all.
func (g *group) gated() bool {
	for _, r := range g.runs {
		if !r.gated() {
			return false
		}
	}
	return true
}

// values returns a number of each run.
func (g *group) values(number func(t *trained) float64) []float64 {
	out := make([]float64, len(g.runs))
	for i, r := range g.runs {
		out[i] = number(r)
	}
	return out
}

func (g *group) mean(number func(t *trained) float64) float64 {
	sum := 0.0
	for _, v := range g.values(number) {
		sum += v / float64(len(g.runs))
	}
	return sum
}

// verdicts collects the outcomes of many comparisons.
type verdicts struct {
	parts []*claims.Outcome
	count map[claims.Verdict]int
	told  []string // of those that do not hold
}

func (v *verdicts) add(name string, o *claims.Outcome) {
	o.Why = name + ": " + o.Why
	v.parts = append(v.parts, o)
	if v.count == nil {
		v.count = map[claims.Verdict]int{}
	}
	v.count[o.Verdict]++
	if o.Verdict != claims.Holds && o.Effect != nil {
		v.told = append(v.told, fmt.Sprintf("%s: %.3g [%.3g, %.3g] %s", name, *o.Effect, o.CI95[0], o.CI95[1], o.Verdict))
	}
}

// outcome is the worst of all.
func (v *verdicts) outcome() *claims.Outcome {
	if len(v.parts) == 0 {
		return &claims.Outcome{Verdict: claims.Inconclusive, Why: "no setting has passed the gate"}
	}
	o := claims.All(v.parts...)
	o.Why = fmt.Sprintf("%d comparisons hold, %d fail, %d are inconclusive; the worst decides. %s", v.count[claims.Holds], v.count[claims.Fails], v.count[claims.Inconclusive], o.Why)
	if len(v.told) > 0 {
		o.Why += ". Not holding: " + strings.Join(v.told, "; ")
	}
	return o
}

// members is P1.12c: after long local phases the average has a lower effective rank than its members, and past onset and crossover
// a lower eps-rank.
func members(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	runs, err := gridRuns(ctx, lab, "P1.12c")
	if err != nil {
		return nil, err
	}
	var v verdicts
	gate := &claims.Gate{Rule: fmt.Sprintf("train accuracy of every seed's average >= %g", gridGate)}
	measured := ""
	for _, g := range groupsOf(runs) {
		if g.alone() || g.steps < longPhase || g.sorted {
			continue
		}
		if !g.gated() {
			gate.Dropped += len(g.runs)
			continue
		}
		gate.Kept += len(g.runs)
		v.add("effective rank, "+g.name(), claims.TestTrend(g.values(func(t *trained) float64 { return t.effective() - t.memberEffective() }), claims.Below, 0))
		measured += fmt.Sprintf("%s: %.1f in %.1f; ", g.name(), g.mean((*trained).effective), g.mean((*trained).memberEffective))
		if g.mean(func(t *trained) float64 { return t.lambda / t.onset(comparedEps) }) > pastOnset && comparedEps > g.mean(func(t *trained) float64 { return t.crossover }) {
			v.add(fmt.Sprintf("rank@%g, %s", comparedEps, g.name()), claims.TestTrend(g.values(func(t *trained) float64 { return t.epsDifference(comparedEps) }), claims.Below, 0))
		}
	}
	o := v.outcome()
	o.Gate, o.Setup = gate, setup(lab)
	o.Predicted = fmt.Sprintf("effective rank of the average below the mean of its members; the rank@%g too past %g Lambda_c and eps*", comparedEps, pastOnset)
	o.Measured = "average in members: " + strings.TrimSuffix(measured, "; ")
	lab.Tabulate(tabulateRuns(runs))
	drawNetworks(lab, runs)
	return o, nil
}

// epsDifference returns the eps-rank of the average minus the mean of its members'.
func (t *trained) epsDifference(eps float64) float64 {
	return float64(analysis.EpsRank(t.average, eps)) - claims.MeanOf(t.members, claims.EpsRank(eps))
}

func setup(lab *claims.Lab) string {
	a := axesOf(lab)
	return fmt.Sprintf("MNIST, last hidden weight of the spec's network, plain and LayerNorm; K %v, H %v, B %v, lr wd %v, Lambda %g or %d steps, %d seeds; verdict on IID shards",
		a.workers, a.steps, a.batches, a.decays, budget, mostSteps, a.seeds)
}

// overLocalSteps is P1.12d: in LayerNorm networks the effective rank of the average does not rise with H and ends below that of a
// single worker; in plain ones it lies between synchronous SGD and a single worker.
func overLocalSteps(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	runs, err := gridRuns(ctx, lab, "P1.12d")
	if err != nil {
		return nil, err
	}
	gate := &claims.Gate{Rule: fmt.Sprintf("train accuracy of every seed's average >= %g; single workers are references", gridGate)}
	var v verdicts
	measured := ""
	groups := groupsOf(runs)
	for _, single := range groups {
		if single.workers != 1 {
			continue
		}
		line := lineOf(groups, single)
		measured += fmt.Sprintf("%s B=%d lr wd %g: single %.1f", netName(single.net), single.batch, single.decay, single.mean((*trained).effective))
		kept := line[:0]
		for _, g := range line {
			measured += fmt.Sprintf(", H=%d %.1f", g.steps, g.mean((*trained).effective))
			if !g.gated() {
				gate.Dropped += len(g.runs)
				continue
			}
			gate.Kept += len(g.runs)
			kept = append(kept, g)
		}
		measured += "; "
		compareLine(&v, single, kept)
	}
	o := v.outcome()
	o.Gate, o.Setup = gate, setup(lab)+"; most workers of the grid"
	o.Predicted = fmt.Sprintf("LayerNorm: from one H to the next no rise by %g ranks, at H=1000 below H=1 and the single worker; plain: between synchronous and single", mostRise)
	o.Measured = strings.TrimSuffix(measured, "; ")
	lab.Tabulate(tabulateRuns(runs))
	drawNetworks(lab, runs)
	return o, nil
}

// lineOf returns the groups with the most workers and otherwise the setting of a single worker, by H.
func lineOf(groups []*group, single *group) []*group {
	var line []*group
	most := 0
	for _, g := range groups {
		most = max(most, g.workers)
	}
	for _, g := range groups {
		if g.workers == most && !g.sorted && g.net == single.net && g.batch == single.batch && g.decay == single.decay {
			line = append(line, g)
		}
	}
	return line
}

// difference returns the effective rank of a minus that of b, seed by seed.
func difference(a, b *group) []float64 {
	out := make([]float64, len(a.runs))
	for i := range out {
		out[i] = a.runs[i].effective() - b.runs[i].effective()
	}
	return out
}

// mostRise is the rise of the effective rank from one H to the next that counts as none: where nothing changes an interval around 0
// has no side. Ranks of seeds spread by .4 at most (PAPERS.md 8.1), which leaves the mean of five .4/sqrt(5) = .18. From the first H
// to the last, ranks have to fall all the same.
const mostRise = 0.2

// compareLine adds the comparisons of one line over H.
func compareLine(v *verdicts, single *group, line []*group) {
	for i, g := range line {
		if g.net == layerNorm && i > 0 {
			v.add(fmt.Sprintf("%s against H=%d", g.name(), line[i-1].steps), claims.TestTrend(difference(g, line[i-1]), claims.Below, mostRise))
		}
		if g.net == layerNorm && g.steps >= 1000 {
			v.add(g.name()+" against a single worker", claims.TestTrend(difference(g, single), claims.Below, 0))
			if line[0].steps == 1 {
				v.add(g.name()+" against synchronous", claims.TestTrend(difference(g, line[0]), claims.Below, 0))
			}
		}
		if g.net == plain && g.steps > 1 && line[0].steps == 1 {
			v.add(g.name()+" above synchronous", claims.TestTrend(difference(g, line[0]), claims.Above, 0))
			v.add(g.name()+" below a single worker", claims.TestTrend(difference(g, single), claims.Below, 0))
		}
	}
}

func tabulateRuns(runs []*trained) claims.Table {
	t := claims.Table{Name: "P1.12-networks", Columns: []string{
		"network", "workers", "local_steps", "batch", "lr_wd", "split", "seed", "lambda", "train_accuracy", "test_accuracy", "member_test_accuracy",
		"effective_rank", "member_effective_rank", "rank_0.02", "member_rank_0.02", "rank_0.05", "member_rank_0.05", "rank_0.1", "member_rank_0.1", "crossover_eps", "divergence",
	}}
	for _, r := range runs {
		split := "iid"
		if r.sorted {
			split = "by label"
		}
		own := []any{"", ""}
		if r.members != nil {
			own = []any{r.memberAccuracy, r.memberEffective()}
		}
		numbers := []any{netName(r.net), r.workers, r.steps, r.batch, r.decay, split, r.seed, r.lambda, r.trainAccuracy, r.testAccuracy, own[0], r.effective(), own[1]}
		for _, eps := range []float64{0.02, 0.05, 0.1} {
			numbers = append(numbers, analysis.EpsRank(r.average, eps))
			if r.members == nil {
				numbers = append(numbers, "")
				continue
			}
			numbers = append(numbers, claims.MeanOf(r.members, claims.EpsRank(eps)))
		}
		var cells []string
		for _, v := range append(numbers, r.crossover, r.divergence) {
			cells = append(cells, fmt.Sprint(v))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}
