package workload_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// niidProbe is how many examples of a shard, its first ones, drift is measured on.
const niidProbe = 256

var niidSplits = []struct{ name, partition string }{
	{"iid", "{iid: {}}"},
	{"dirichlet", "{dirichlet: {alpha: 0.5}}"},
	{"labels1", "{labels: {per_shard: 1}}"},
	{"labels2", "{labels: {per_shard: 2}}"},
	{"labels3", "{labels: {per_shard: 3}}"},
}

var niidRules = []struct {
	name    string
	changes []string
}{
	{"fedavg", nil},
	{"scaffold", []string{"server={scaffold: {}}", "local.optimizer.sgd.momentum=0"}},
	{"fedprox", []string{"local.prox_mu=0.01"}},
	{"fednova", []string{"server={fednova: {}}"}},
}

// niidPublished are the best accuracies that niid_bench prints, in percent, in the order of niidRules.
var niidPublished = map[string][]float64{
	"iid":       {99.09, 99.06, 99.16, 99.05},
	"dirichlet": {98.89, 99.07, 99.02, 98.03},
	"labels1":   {19.33, 9.93, 51.79, 52.58},
	"labels2":   {96.86, 96.92, 96.85, 96.65},
	"labels3":   {97.86, 97.91, 97.85, 97.62},
}

// niidRun is what one run comes to.
type niidRun struct {
	best, last float64 // test accuracy in percent, over the rounds and of the last model
	rank       float64 // of the last model: mean effective rank of the hidden layers
	drift      float64 // of the last round: mean norm of the difference between gradients at a shard's end and at the model
	relative   float64 // that over the norm of gradients at the model
}

// runNIID makes one run of the experiment.
func runNIID(rounds int, changes []string) (niidRun, error) {
	s, data, err := niidSpec(changes)
	if err != nil {
		return niidRun{}, err
	}
	job, err := workload.Job(s, data)
	if err != nil {
		return niidRun{}, err
	}
	ctx := context.Background()
	test := localsgd.NewEvaluator(job.Net, data.Test, 1)
	runner := localsgd.Runner{Job: job, Algorithm: workload.Algorithm(s)}
	var out niidRun
	var before localsgd.RunState[float32]
	var plan localsgd.Plan
	model, err := runner.Run(ctx, rounds, func(f localsgd.RoundFacts, model []float32) error {
		if f.Plan.Round == rounds-1 {
			before = runner.State()
		}
		plan = f.Plan
		score, err := test.Evaluate(ctx, model)
		out.last = 100 * score.Accuracy
		out.best = max(out.best, out.last)
		return err
	})
	if err != nil {
		return out, err
	}
	drift, err := niidDrift(job, plan, before, model)
	if err != nil {
		return out, err
	}
	out.drift, out.relative = drift.Drift, *drift.DriftRel
	out.rank, err = niidRank(job, model)
	return out, err
}

// niidImages loads MNIST once.
var niidImages = sync.OnceValues(func() (shard.Data, error) {
	s, err := niidParse(nil)
	if err != nil {
		return shard.Data{}, err
	}
	return workload.Load(s.Source(), "", shard.Training|shard.Testing)
})

func niidSpec(changes []string) (*spec.Spec, shard.Data, error) {
	s, err := niidParse(changes)
	if err != nil {
		return nil, shard.Data{}, err
	}
	data, err := niidImages()
	return s, data, err
}

func niidParse(changes []string) (*spec.Spec, error) {
	const file = "../../bench/niid.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return spec.Parse(file, text, changes)
}

// niidDrift trains the tasks of the plan after a state once more, to have their ends, and compares gradients there with
// those at the round's model.
func niidDrift(job *localsgd.Job, plan localsgd.Plan, before localsgd.RunState[float32], model []float32) (*analysis.Drift, error) {
	start := before.Block[:job.Layout().Size()]
	grid := localsgd.NewGrid(job.Layout(), start)
	b := localsgd.Blocks{Start: start, End: make([]float32, len(start)), Next: make([]float32, job.ShardState().Size())}
	trainer := localsgd.NewTrainer(job)
	machine := relu.NewMachine[float32](job.Net, niidProbe)
	measurer := analysis.NewMeasurer(job.Net.Layout(), machine)
	var samples []analysis.Sample
	for i, task := range plan.Tasks {
		if before.Shards != nil {
			b.State = before.Shards[task.Shard]
		}
		if _, err := trainer.Train(context.Background(), plan.Task(i), grid, b); err != nil {
			return nil, err
		}
		examples := job.Shards[task.Shard]
		probe := localsgd.Fill(machine, job.Data.Train, examples[:min(niidProbe, len(examples))])
		sample, err := measurer.Measure(task.Shard, b.End[:len(model)], model, probe)
		if err != nil {
			return nil, err
		}
		sample.Weight = 1
		samples = append(samples, sample)
	}
	return analysis.Combine(samples)
}

func niidRank(job *localsgd.Job, model []float32) (float64, error) {
	var w analysis.Workspace
	layers, err := w.Layers(context.Background(), job.Net.Layout(), model, analysis.RankOptions{Epsilon: 0.01})
	if err != nil {
		return 0, err
	}
	ranks, reason := analysis.AverageRanks(layers)
	if ranks == nil {
		return 0, fmt.Errorf("no ranks: %s", reason)
	}
	return ranks.EffectiveRank, nil
}

// meanAndDeviation returns the mean and the sample standard deviation of what get takes of the runs.
func meanAndDeviation(runs []niidRun, get func(niidRun) float64) (mean, deviation float64) {
	for _, r := range runs {
		mean += get(r) / float64(len(runs))
	}
	for _, r := range runs {
		deviation += (get(r) - mean) * (get(r) - mean)
	}
	return mean, math.Sqrt(deviation / float64(max(1, len(runs)-1)))
}

// niidCell is a rule on a split, with its runs by seed. Seed n gives every rule the same shards and the same start.
type niidCell struct {
	split, rule, partition string
	changes                []string
	published              float64
	runs                   []niidRun
}

// niidCells lists the table row by row: all of it, or the two cells of the short form.
func niidCells(all bool) (cells []*niidCell) {
	for _, split := range niidSplits {
		for j, rule := range niidRules {
			if all || j == 0 && (split.name == "iid" || split.name == "labels1") {
				cells = append(cells, &niidCell{split.name, rule.name, split.partition, rule.changes, niidPublished[split.name][j], nil})
			}
		}
	}
	return cells
}

// run makes the cell's runs, those of them that -run asks for.
func (c *niidCell) run(t *testing.T, rounds, seeds int) {
	for seed := 1; seed <= seeds; seed++ {
		t.Run(fmt.Sprintf("%s/%s/%d", c.split, c.rule, seed), func(t *testing.T) {
			r, err := runNIID(rounds, append([]string{fmt.Sprint("seed=", seed), "shards.partition=" + c.partition}, c.changes...))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("run %s %s %d best %.2f last %.2f drift %.4f rel %.3f rank %.2f", c.split, c.rule, seed, r.best, r.last, r.drift, r.relative, r.rank)
			c.runs = append(c.runs, r)
		})
	}
}

// String is the cell's line of the table.
func (c *niidCell) String() string {
	line := fmt.Sprintf("%-9s %-8s", c.split, c.rule)
	for _, column := range []struct {
		name string
		get  func(niidRun) float64
	}{
		{"best", func(r niidRun) float64 { return r.best }}, {"last", func(r niidRun) float64 { return r.last }},
		{"drift", func(r niidRun) float64 { return r.drift }}, {"rank", func(r niidRun) float64 { return r.rank }},
	} {
		mean, deviation := meanAndDeviation(c.runs, column.get)
		line += fmt.Sprintf("  %s %7.3f +- %6.3f", column.name, mean, deviation)
	}
	return fmt.Sprintf("%s  published %5.2f", line, c.published)
}

// niidOrder lists the rules of a split by falling accuracy, here and as published.
func niidOrder(split string, cells []*niidCell) string {
	order := func(accuracy func(*niidCell) float64) string {
		var names []string
		for _, c := range slices.SortedStableFunc(slices.Values(cells), func(a, b *niidCell) int { return cmp.Compare(accuracy(b), accuracy(a)) }) {
			if c.split == split {
				names = append(names, c.rule)
			}
		}
		return strings.Join(names, " > ")
	}
	best := func(c *niidCell) float64 {
		mean, _ := meanAndDeviation(c.runs, func(r niidRun) float64 { return r.best })
		return mean
	}
	return fmt.Sprintf("%-9s here %s; published %s", split, order(best), order(func(c *niidCell) float64 { return c.published }))
}

// TestNIIDOrdering is niid_bench in small. The short form has the two ends of the table: after two rounds, shards of one digit
// leave FedAvg far behind shards of all ten, with the larger drift to show for it. The long form prints the table of
// bench/niid.md, about a quarter of an hour on one core; -run NIID/labels1/fedavg/2 makes one run of it.
func TestNIIDOrdering(t *testing.T) {
	rounds, runs := 2, 1
	if *long {
		rounds, runs = 20, 3
	}
	cells := niidCells(*long)
	for _, c := range cells {
		c.run(t, rounds, runs)
	}
	cells = slices.DeleteFunc(cells, func(c *niidCell) bool { return len(c.runs) == 0 })
	for _, c := range cells {
		t.Log(c)
	}
	if *long {
		for _, split := range niidSplits {
			t.Log(niidOrder(split.name, cells))
		}
		return
	}
	if len(cells) < 2 {
		return // -run has chosen one
	}
	if all, one := cells[0].runs[0], cells[1].runs[0]; !(all.best > one.best+20) || !(one.drift > all.drift) {
		t.Errorf("FedAvg on shards of all digits comes to %+v, of one to %+v: want 20 points less and more drift", all, one)
	}
}
