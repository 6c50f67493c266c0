package averagingrank

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// budget is Lambda = lr wd times the steps of every run of the grid, of which none has more than mostSteps.
const (
	budget    = 3.0
	mostSteps = 10000
)

// gridGate is the train accuracy from which the average of a run counts.
const gridGate = 0.9

// The networks of the grid, as model.mlp.norm has them.
const (
	plain     = "none"
	layerNorm = "layer_norm"
)

// cell is one setting of the grid.
type cell struct {
	id                    string // of the claim whose spec it varies
	net                   string
	workers, steps, batch int     // K, H, B
	decay                 float64 // lr wd
	sorted                bool    // shards of examples sorted by label
	seed                  uint64
}

func (c cell) String() string {
	split := "IID"
	if c.sorted {
		split = "by label"
	}
	return fmt.Sprintf("%s K=%d H=%d B=%d lr*wd=%g %s seed %d", netName(c.net), c.workers, c.steps, c.batch, c.decay, split, c.seed)
}

func netName(net string) string {
	if net == layerNorm {
		return "LayerNorm"
	}
	return "plain"
}

// alone tells whether there is nothing to average.
func (c cell) alone() bool { return c.workers == 1 }

// stretch is how many steps a round of a single worker has, whose rounds follow each other like steps.
const stretch = 100

// setting returns the setting of the cell and its number of rounds.
func (c cell) setting(lab *claims.Lab) (*claims.Setting, int, error) {
	base, err := lab.Spec(c.id)
	if err != nil {
		return nil, 0, err
	}
	steps := c.steps
	if c.alone() {
		steps = stretch
	}
	changes := []string{
		fmt.Sprint("seed=", c.seed), "model.mlp.norm=" + c.net,
		fmt.Sprint("shards.count=", c.workers), fmt.Sprint("local.steps=", steps), fmt.Sprint("local.batch=", c.batch),
		fmt.Sprint("local.optimizer.sgd.weight_decay=", c.decay/base.Local.SGD.LR),
	}
	if c.sorted {
		changes = append(changes, "shards.partition={label_shards: {per_shard: 1}}")
	}
	total := min(mostSteps, int(math.Round(budget/c.decay)))
	s, err := lab.Setting(c.id, changes...)
	return s, max(1, total/steps), err
}

// axes are the values of the grid.
type axes struct {
	workers, steps, batches []int
	decays                  []float64
	sortedAt                int // K of the cells sorted by label; 0: none
	seeds                   int
}

// axesOf are those of a size of the laboratory.
func axesOf(lab *claims.Lab) axes {
	return claims.Pick(lab,
		axes{workers: []int{1, 4, 8}, steps: []int{1, 100, 1000}, batches: []int{4}, decays: []float64{1e-3}, seeds: 5},
		axes{workers: []int{1, 2, 4, 8}, steps: []int{1, 10, 100, 1000}, batches: []int{4}, decays: []float64{1e-3, 3e-3}, seeds: 5},
		axes{workers: []int{1, 2, 4, 8}, steps: []int{1, 10, 100, 1000}, batches: []int{4, 16}, decays: []float64{3e-4, 1e-3, 3e-3}, sortedAt: 8, seeds: 5})
}

// cells lists the grid; a single worker has one H, and the largest grids come first so that threads end together.
func (a axes) cells(id string) []cell {
	var out []cell
	for _, decay := range a.decays {
		for _, net := range []string{layerNorm, plain} {
			for _, batch := range a.batches {
				out = append(out, a.over(cell{id: id, net: net, batch: batch, decay: decay})...)
			}
		}
	}
	return out
}

func (a axes) over(c cell) []cell {
	var out []cell
	for _, c.workers = range slices.Backward(a.workers) {
		steps := a.steps
		if c.workers == 1 {
			steps = steps[:1]
		}
		for _, c.steps = range steps {
			out = append(out, a.overSeeds(c)...)
		}
	}
	return out
}

// overSeeds returns the cell with each seed, and where the grid has them, those sorted by label.
func (a axes) overSeeds(c cell) []cell {
	var out []cell
	for _, c.seed = range claims.Seeds(a.seeds) {
		c.sorted = false
		out = append(out, c)
		if c.workers == a.sortedAt {
			c.sorted = true
			out = append(out, c)
		}
	}
	return out
}

// gridRuns makes every run of the grid once.
func gridRuns(ctx context.Context, lab *claims.Lab, id string) ([]*trained, error) {
	// P1.12c and P1.12d have one grid: their specs differ in nothing that the analysis leaves alone.
	return claims.Once(lab, "grid of networks", func() ([]*trained, error) {
		cells := axesOf(lab).cells(id)
		out := make([]*trained, len(cells))
		err := lab.Each(ctx, len(cells), func(ctx context.Context, i int) error {
			var err error
			if out[i], err = cells[i].train(ctx, lab); err != nil {
				return fmt.Errorf("%v: %w", cells[i], err)
			}
			if lab.Say != nil {
				lab.Say("%v: effective rank %.1f, train accuracy %.3f", cells[i], out[i].effective(), out[i].trainAccuracy)
			}
			return nil
		})
		return out, err
	})
}
