package sgdgd

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
	"github.com/fedrelu/fedrelu/localsgd"
)

// finish is how one run ended.
type finish struct {
	mean     *analysis.MeanRanks
	accuracy float64  // on the training set
	dist     *float64 // mean over the last fifth of the epochs of the mean relative change of the weights
	epochs   []float64
	ranks    []float64 // mean eps-rank after these epochs
}

// looks is how often ranks are taken in a training.
const looks = 25

// train trains a setting to its end.
func train(ctx context.Context, s *claims.Setting) (*finish, error) {
	var w analysis.Workspace
	layout := s.Job.Net.Layout()
	before, late := s.Job.Start()[:layout.Size()], plateau{}
	f := &finish{}
	block, err := s.Runner().Run(ctx, s.Spec.Rounds, func(facts localsgd.RoundFacts, model []float32) error {
		round := facts.Plan.Round
		if 5*(s.Spec.Rounds-round) < s.Spec.Rounds {
			late.add(noise.Dist(noise.Changes(layout, before, model[:layout.Size()])))
		}
		copy(before, model)
		if round%max(1, s.Spec.Rounds/looks) != 0 {
			return nil
		}
		mean, err := ranksOf(ctx, &w, s, model[:layout.Size()])
		if err == nil {
			f.epochs, f.ranks = append(f.epochs, float64(round)), append(f.ranks, mean.Rank)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f.dist = late.mean()
	f.mean, f.accuracy, err = endOf(ctx, &w, s, block[:layout.Size()])
	return f, err
}

// plateau is the mean of Dist over epochs.
type plateau struct {
	sum float64
	n   int
	not bool // some epoch had none
}

func (p *plateau) add(dist *float64) {
	if dist == nil {
		p.not = true
		return
	}
	p.sum, p.n = p.sum+*dist, p.n+1
}

func (p *plateau) mean() *float64 {
	if p.not || p.n == 0 {
		return nil
	}
	mean := p.sum / float64(p.n)
	return &mean
}

func measureRank(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return equalEpochs(ctx, lab)
}

// equalEpochs compares the ranks of SGD and gradient descent after the spec's epochs; extra changes are for controls.
func equalEpochs(ctx context.Context, lab *claims.Lab, extra ...string) (*claims.Outcome, error) {
	seeds := lab.Seeds()
	ends := make([][2]*finish, len(seeds))
	err := lab.Each(ctx, 2*len(seeds), func(ctx context.Context, i int) error {
		changes := append([]string{fmt.Sprint("seed=", seeds[i/2])}, extra...)
		if i%2 == 1 {
			changes = append(changes, "local.batch=0")
		}
		s, err := lab.Setting("P3.6", changes...)
		if err != nil {
			return err
		}
		ends[i/2][i%2], err = train(ctx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	s, err := lab.Setting("P3.6", extra...)
	if err != nil {
		return nil, err
	}
	o := rankOutcome(ends)
	o.Setup = fmt.Sprintf("%d examples, B = %d against all, lr %g, wd %g, %d epochs each", len(used(s.Job.Shards)),
		s.Job.Local.Schedule.Batch, s.Job.Local.LR(), s.Job.Local.SGD.WeightDecay, s.Spec.Rounds)
	drawRanks(lab, ends)
	if len(extra) > 0 {
		return o, nil
	}
	couples, err := equalUpdates(ctx, lab)
	if err != nil {
		return nil, err
	}
	var sgd, gd []float64
	for _, c := range couples {
		sgd, gd = append(sgd, c.sgd.mean.Rank), append(gd, c.gd.mean.Rank)
	}
	o.Measured += fmt.Sprintf("; at equal updates (P3.4's runs) %.1f against %.1f, no direction claimed", claims.Mean(sgd), claims.Mean(gd))
	return o, nil
}

// rankOutcome compares pairs of SGD and gradient descent, those that pass the gate.
func rankOutcome(ends [][2]*finish) *claims.Outcome {
	gate := &claims.Gate{Rule: fmt.Sprintf("train accuracy >= %g and within %g of the pair's best", trained, nearBest)}
	var effects, sgd, gd, initial []float64
	for _, e := range ends {
		best := math.Max(e[0].accuracy, e[1].accuracy)
		if worst := math.Min(e[0].accuracy, e[1].accuracy); worst < trained || worst < best-nearBest {
			gate.Dropped++
			continue
		}
		gate.Kept++
		effects = append(effects, e[0].mean.Rank-e[1].mean.Rank)
		sgd, gd = append(sgd, e[0].mean.Rank), append(gd, e[1].mean.Rank)
		initial = append(initial, e[0].mean.EffectiveRank-e[1].mean.EffectiveRank)
	}
	o := claims.TestTrend(effects, claims.Below, 0)
	o.Gate = gate
	o.Predicted = fmt.Sprintf("mean eps-rank (eps = %g) of SGD - that of gradient descent below 0", rankEps)
	o.Measured = fmt.Sprintf("%.1f against %.1f; difference of effective ranks %.1f", claims.Mean(sgd), claims.Mean(gd), claims.Mean(initial))
	return o
}

// cell is a point of the grid of P3.9.
type cell struct {
	batch  int
	lr, wd float64
	seed   uint64
}

// grid is that of P1.14 (PAPERS.md 1.2), relative to the spec: batches 1, 2, 4 and 16 times, learning rates 0.3 and 1 times and
// weight decays 1 and 5 times the spec's.
func grid(s *claims.Setting, seeds []uint64) []cell {
	l := s.Job.Local
	batches, rates, decays := []int{1, 2, 4, 16}, []float64{0.3, 1}, []float64{1, 5}
	var cells []cell
	for i := range len(seeds) * len(batches) * len(rates) * len(decays) {
		wd := decays[i%len(decays)] * l.SGD.WeightDecay
		i /= len(decays)
		lr := rates[i%len(rates)] * l.LR()
		i /= len(rates)
		cells = append(cells, cell{batches[i%len(batches)] * max(1, l.Schedule.Batch), lr, wd, seeds[i/len(batches)]})
	}
	return cells
}

func measureMovement(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	size := lab.Yielding(claims.Pick(lab, []string{"shards.limit=500"}, []string{"shards.limit=2000"}, nil)...)
	base, err := lab.Setting("P3.9", size...)
	if err != nil {
		return nil, err
	}
	seeds := claims.Seeds(3)
	cells := grid(base, seeds)
	ends := make([]*finish, len(cells))
	err = lab.Each(ctx, len(cells), func(ctx context.Context, i int) error {
		c := cells[i]
		s, err := lab.Setting("P3.9", append([]string{fmt.Sprint("seed=", c.seed), fmt.Sprint("local.batch=", c.batch),
			fmt.Sprint("local.optimizer.sgd.lr=", c.lr), fmt.Sprint("local.optimizer.sgd.weight_decay=", c.wd)}, size...)...)
		if err != nil {
			return err
		}
		ends[i], err = train(ctx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	o := movement(cells, ends, seeds)
	o.Setup = fmt.Sprintf("%d examples, %d epochs, grid of %d (B, lr, wd) for each of %d seeds", len(used(base.Job.Shards)), base.Spec.Rounds,
		len(cells)/len(seeds), len(seeds))
	drawMovement(lab, cells, ends)
	return o, nil
}

// movement is the rank correlation of the plateau of movement and effective rank, by seed, over runs that have trained.
func movement(cells []cell, ends []*finish, seeds []uint64) *claims.Outcome {
	gate := &claims.Gate{Rule: fmt.Sprintf("train accuracy >= %g", trained)}
	var correlations []float64
	for _, seed := range seeds {
		var dist, rank []float64
		for i, c := range cells {
			if c.seed != seed {
				continue
			}
			if ends[i].dist == nil || ends[i].accuracy < trained {
				gate.Dropped++
				continue
			}
			gate.Kept++
			dist, rank = append(dist, *ends[i].dist), append(rank, ends[i].mean.EffectiveRank)
		}
		correlations = append(correlations, claims.Spearman(dist, rank))
	}
	o := &claims.Outcome{Predicted: "no direction", Seeds: len(seeds), Gate: gate, Verdict: claims.Shown}
	if m, ci, ok := claims.Interval(correlations); ok {
		o.Effect, o.CI95 = &m, &ci
		o.Measured = fmt.Sprintf("Spearman of the plateau of Dist and effective rank %.2f", m)
	} else {
		o.Measured = "too few trained runs for a rank correlation"
	}
	o.Why = "the abstract links noise and rank without a direction that could be tested"
	return o
}

func drawMovement(lab *claims.Lab, cells []cell, ends []*finish) {
	table := claims.Table{Name: "sgd-vs-gd-movement", Columns: []string{"seed", "batch", "lr", "wd", "dist", "effective_rank", "train_accuracy"}}
	panel := figure.Panel{Title: "movement and rank over a grid", X: "Dist, mean of the last fifth", Y: "effective rank", LogX: true}
	lines := map[int]int{}
	for i, c := range cells {
		dist := math.NaN()
		if ends[i].dist != nil {
			dist = *ends[i].dist
		}
		table.Rows = append(table.Rows, []string{strconv.FormatUint(c.seed, 10), strconv.Itoa(c.batch), number(c.lr), number(c.wd), number(dist),
			number(ends[i].mean.EffectiveRank), number(ends[i].accuracy)})
		if !(ends[i].accuracy >= trained) {
			continue
		}
		at, ok := lines[c.batch]
		if !ok {
			at = len(panel.Lines)
			lines[c.batch] = at
			panel.Lines = append(panel.Lines, figure.Line{Name: fmt.Sprint("B=", c.batch), Style: figure.Points})
		}
		panel.Lines[at].X = append(panel.Lines[at].X, dist)
		panel.Lines[at].Y = append(panel.Lines[at].Y, ends[i].mean.EffectiveRank)
	}
	lab.Tabulate(table)
	lab.DrawPanel("sgd-vs-gd", frame, placeMovement, panel)
}
