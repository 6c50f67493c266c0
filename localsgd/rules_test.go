package localsgd

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"pgregory.net/rapid"
)

func TestRulesAreWellFormed(t *testing.T) {
	seen := make(map[string]bool)
	for _, rule := range Rules() {
		if seen[rule.Name()] || rule.Name() == "" {
			t.Errorf("two rules named %q", rule.Name())
		}
		seen[rule.Name()] = true
		blocks := make(map[string]bool)
		private := false
		for _, b := range rule.State() {
			if blocks[b.Name] || b.Name == "" || b.Broadcast && private {
				t.Errorf("%s: state %+v, want names of their own, broadcast blocks first", rule.Name(), rule.State())
			}
			blocks[b.Name] = true
			private = private || !b.Broadcast
		}
	}
}

// Rules that should be others in special cases are, bit for bit.
func TestRulesInSpecialCases(t *testing.T) {
	local := Local{Schedule: shard.Schedule{Epochs: 2, Batch: 4}, SGD: SGD{LR: 0.1, Momentum: 0.5}}
	for name, pair := range map[string][2]Rule{
		"fedavgm without momentum":   {FedAvgM{LR: 1}, FedAvg{LR: 1}},
		"the same with a rate":       {FedAvgM{LR: 0.7, Nesterov: true}, FedAvg{LR: 0.7}},
		"slowmo without momentum":    {SlowMo{LR: 0.7}, FedAvg{LR: 0.7}},
		"diloco is fedavgm nesterov": {DiLoCo{LR: 0.7, Beta: 0.9}, FedAvgM{LR: 0.7, Beta: 0.9, Nesterov: true}},
	} {
		got := runTiny(t, unequalJob(t, local), Algorithm{Rule: pair[0]}, 4)
		want := runTiny(t, unequalJob(t, local), Algorithm{Rule: pair[1]}, 4)
		if !slices.Equal(bitsOf(got), bitsOf(want)) {
			t.Errorf("%s: differs by %g", name, maxDifference(got, want))
		}
	}
}

// Before the first renewal SCAFFOLD is FedAvg with uniform weights; the way through correctSink changes no bit.
func TestFirstRoundOfScaffoldIsFedAvg(t *testing.T) {
	local := Local{Schedule: shard.Schedule{Epochs: 2, Batch: 4}, SGD: SGD{LR: 0.1, WeightDecay: 0.01}}
	job := unequalJob(t, local)
	want := runTiny(t, job, Algorithm{Rule: FedAvg{LR: 1}, Weighting: Uniform}, 1)
	a := Algorithm{Rule: Scaffold{LR: 1, Option: 2}}
	got, _ := carried(t, job, a, []Plan{a.Plan(job, 1)})
	if !slices.Equal(bitsOf(got[:len(want)]), bitsOf(want)) {
		t.Errorf("differs by %g", maxDifference(got[:len(want)], want))
	}
}

// With one step over the whole shard, option 2 of SCAFFOLD is option 1, up to the rounding of the end, a part of about
// 2^-24 / (lr |g|) of the gradient; batch norm included.
func TestScaffoldsOptionsAgreeForOneWholeStep(t *testing.T) {
	var models, states [2][]float32
	for i := range 2 {
		job := oneShard(t, batchNormLayers(), 14, Local{Schedule: shard.Schedule{Steps: 1}, SGD: SGD{LR: 0.5}})
		job.Shards = shard.Shards{job.Shards[0][:6], job.Shards[0][6:]}
		a := Algorithm{Rule: Scaffold{LR: 1, Option: i + 1}}
		var r *Runner
		models[i], r = carried(t, job, a, []Plan{a.Plan(job, 1), a.Plan(job, 2), a.Plan(job, 3)})
		for _, state := range r.State().Shards {
			states[i] = append(states[i], state...)
		}
	}
	// A parameter below 2 rounds to 2^-24; divided by the rate that is 2^-23, and c - c_i adds a few more.
	if d := maxDifference(states[0], states[1]); d > 16*0x1p-23 || d == 0 {
		t.Errorf("control variates differ by %g", d)
	}
	if d := maxDifference(models[0], models[1]); d > 16*0x1p-23 {
		t.Errorf("models differ by %g", d)
	}
}

// With full participation c is the mean of the c_i after every round.
func TestScaffoldsControlIsTheMean(t *testing.T) {
	job := unequalJob(t, Local{Schedule: shard.Schedule{Epochs: 2, Batch: 4}, SGD: SGD{LR: 0.1}})
	a := Algorithm{Rule: Scaffold{LR: 1, Option: 2}}
	job.Local, _ = a.Prepare(job.Local)
	r := &Runner{Job: job, Algorithm: a}
	n := job.Net.Parameters()
	_, err := r.Run(context.Background(), 6, func(f RoundFacts, _ []float32) error {
		s := r.State()
		for i, c := range s.Block[n:] {
			mean := 0.0
			for _, own := range s.Shards {
				mean += float64(own[i]) / float64(len(s.Shards))
			}
			if math.Abs(mean-float64(c)) > float64(f.Plan.Round)*8*0x1p-24 {
				t.Fatalf("round %d: c[%d] is %g, the mean %g", f.Plan.Round, i, c, mean)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// quadratics is a job of one parameter w and two shards of one example: losses w^2 and (w - 1)^2.
func quadratics(t *testing.T, lr float64) *Job {
	t.Helper()
	net, err := relu.New([]relu.Layer{relu.Linear{In: 1, Out: 1}}, []int{1}, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	set := &shard.Set{Shape: []int{1}, N: 2, Outputs: 1, Values: []float32{1, 1}, Targets: []float32{0, 1}}
	return &Job{
		Seed: 1, Net: net, Data: shard.Data{Train: set}, Shards: shard.Shards{{0}, {1}},
		Local: Local{Schedule: shard.Schedule{Order: shard.Sequential, Batch: 1, Steps: 9}, SGD: SGD{LR: lr}},
	}
}

// Wang et al. 2020, section 3: with 1 and 9 steps FedAvg goes to 0.9, where the steps pull, and FedNova to the optimum 0.5
// as the rate goes to 0, in proportion to it.
func TestFedNovaFindsTheOptimumThatFedAvgMisses(t *testing.T) {
	fixed := func(rule Rule, lr float64) float64 {
		job := quadratics(t, lr)
		a := Algorithm{Rule: rule}
		var all []Plan
		for r := range int(4 / lr) {
			all = append(all, a.PlanOf(job, r+1, []int{0, 1}, []int{1, 9}))
		}
		got, _ := carried(t, job, a, all)
		return float64(got[0])
	}
	if w := fixed(FedAvg{LR: 1}, 0.001); math.Abs(w-0.9) > 0.005 {
		t.Errorf("fedavg goes to %g, want about 0.9", w)
	}
	coarse, fine := fixed(FedNova{LR: 1}, 0.008)-0.5, fixed(FedNova{LR: 1}, 0.002)-0.5
	t.Logf("fednova misses the optimum by %.4f at the rate 0.008, by %.4f at 0.002", coarse, fine)
	if math.Abs(fine) > 0.005 || math.Abs(coarse/fine-4) > 0.2 {
		t.Errorf("fednova misses the optimum by %g and %g, want four times less at a quarter of the rate", coarse, fine)
	}
}

// One shard that keeps its optimizer's state trains as if there were no rounds: with momentum bit for bit, with AdamW up
// to the powers of its betas, which are made anew.
func TestKeptStateIsUninterrupted(t *testing.T) {
	for name, local := range map[string]Local{
		"momentum": {SGD: SGD{LR: 0.1, Momentum: 0.9, Nesterov: true, WeightDecay: 0.01}},
		"adamw":    {AdamW: &AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1}},
	} {
		local.Schedule = shard.Schedule{Order: shard.Cyclic, Batch: 7, Steps: 40}
		want := runTiny(t, tinyJob(t, 1, local), Algorithm{Rule: FedAvg{LR: 1}}, 1)
		local.Schedule.Steps, local.KeepState = 8, true
		got := runTiny(t, tinyJob(t, 1, local), Algorithm{Rule: FedAvg{LR: 1}}, 5)
		bound := 0.0
		if local.AdamW != nil {
			bound = 0x1p-20
		}
		if d := maxDifference(got, want); d > bound {
			t.Errorf("%s: differs by %g", name, d)
		}
		local.KeepState = false
		if fresh := runTiny(t, tinyJob(t, 1, local), Algorithm{Rule: FedAvg{LR: 1}}, 5); maxDifference(fresh, want) < 1e-4 {
			t.Errorf("%s: a fresh state makes no difference", name)
		}
	}
}

// Post-local rounds are rounds of one step, whatever the order and the length of the rest.
func TestPostLocalRoundsMakeOneStep(t *testing.T) {
	for _, schedule := range []shard.Schedule{{Epochs: 3, Batch: 7}, {Steps: 5, Batch: 20, Order: shard.Cyclic}, {Epochs: 1}} {
		single := schedule
		single.Epochs, single.Steps = 0, 1
		local := Local{Schedule: schedule, SGD: SGD{LR: 0.1}, PostLocal: 3}
		job := tinyJob(t, 4, local)
		got := runTiny(t, job, Algorithm{Rule: FedAvg{LR: 1}}, 3)
		want := runTiny(t, tinyJob(t, 4, Local{Schedule: single, SGD: local.SGD}), Algorithm{Rule: FedAvg{LR: 1}}, 3)
		if !slices.Equal(bitsOf(got), bitsOf(want)) {
			t.Errorf("%+v: differs by %g", schedule, maxDifference(got, want))
		}
		if early, late := job.Steps(Task{Round: 3}), job.Steps(Task{Round: 4}); early != 1 || late != schedule.TotalSteps(15) {
			t.Errorf("%+v: %d steps in round 3, %d in round 4", schedule, early, late)
		}
	}
}

// FedBN keeps the tensors of batch norm, statistics included, and nothing else; an update carries those of the start.
func TestFedBNKeepsBatchNorm(t *testing.T) {
	job := oneShard(t, everyPlace(), 12, Local{Schedule: shard.Schedule{Batch: 4, Epochs: 1}, SGD: SGD{LR: 0.1}, FedBN: true})
	var names []string
	for _, v := range views(job.ShardState()) {
		names = append(names, v.Name)
	}
	want := "personal/2.body.0.weight personal/2.body.0.bias personal/2.body.0.running_mean personal/2.body.0.running_var"
	if got := strings.Join(names, " "); got != want {
		t.Fatalf("a shard keeps %s, want %s", got, want)
	}
	start := job.Start()
	b := Blocks{Start: start, End: make([]float32, len(start)), Next: make([]float32, job.ShardState().Size())}
	if _, err := NewTrainer(job).Train(context.Background(), Task{Round: 1}, NewGrid(job.Layout(), start), b); err != nil {
		t.Fatal(err)
	}
	for _, v := range views(job.Net.Layout()) {
		kept := strings.HasPrefix(v.Name, "2.body.0.")
		if slices.Equal(tensor.Of(b.End, v), tensor.Of(start, v)) != kept {
			t.Errorf("the update carries the start's %s: %t, want %t", v.Name, !kept, kept)
		}
		own, _ := job.ShardState().Lookup("personal/" + v.Name)
		if kept && slices.Equal(tensor.Of(b.Next, own), tensor.Of(start, v)) {
			t.Errorf("%s was not trained", v.Name)
		}
	}
}

// Neither order nor grouping changes a bit of a mean over extended blocks.
func TestSumsOfExtendedBlocksHaveNoOrder(t *testing.T) {
	layout, err := testLayout(t).Extend("scaffold")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := keyed.New(rapid.Uint64().Draw(t, "seed"), "extended")
		grid := NewGrid(layout, wild(s, layout.Size(), -30, 2))
		n := rapid.IntRange(2, 7).Draw(t, "updates")
		weights := Weights(slices.Repeat([]int{3}, n), ByExamples)
		one, left, right := NewSum(grid), NewSum(grid), NewSum(grid)
		ends, order := make([][]float32, n), make([]int, n)
		for i := range order {
			order[i] = i
		}
		order = rapid.Permutation(order).Draw(t, "order")
		for i := range ends {
			ends[i] = wild(s, layout.Size(), -40, 3)
			add(t, one, Share{i, weights[i]}, ends[i])
		}
		for at, i := range order {
			part := left
			if at%2 == 1 {
				part = right
			}
			add(t, part, Share{i, weights[i]}, ends[i])
		}
		if err := right.Merge(left); err != nil {
			t.Fatal(err)
		}
		a, b := make([]float32, layout.Size()), make([]float32, layout.Size())
		if err := errors.Join(one.Mean(a), right.Mean(b)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(bitsOf(a), bitsOf(b)) {
			t.Fatalf("means differ by %g", maxDifference(a, b))
		}
	})
}

func add(t *rapid.T, s *Sum, share Share, end []float32) {
	if err := s.Add(share, end); err != nil {
		t.Fatal(err)
	}
}

// largest is a Combiner: each element's largest value of all updates.
type largest struct{}

func (largest) Name() string        { return "largest" }
func (largest) TakesMean() bool     { return false }
func (largest) State() []StateBlock { return nil }
func (largest) Step(*ServerStep)    {}
func (largest) Least() int          { return 1 }
func (largest) Combine(c *Combination) error {
	for i := range c.Next {
		c.Next[i] = float32(math.Inf(-1))
	}
	values := make([]float32, 10)
	for u := range c.Updates.Shares() {
		for at := 0; at < len(c.Next); at += len(values) {
			part := values[:min(len(values), len(c.Next)-at)]
			if err := c.Updates.Read(part, u, at); err != nil {
				return err
			}
			for i, x := range part {
				c.Next[at+i] = max(c.Next[at+i], x)
			}
		}
	}
	return nil
}

// A Combiner sees all updates; running statistics take the exact mean whatever it does.
func TestCombinersSeeAllUpdates(t *testing.T) {
	job := oneShard(t, batchNormLayers(), 14, Local{Schedule: shard.Schedule{Batch: 3, Epochs: 1}, SGD: SGD{LR: 0.1}})
	job.Shards = shard.Shards{job.Shards[0][:6], job.Shards[0][6:]}
	start := job.Start()
	want := slices.Repeat([]float32{float32(math.Inf(-1))}, len(start))
	a := Algorithm{Rule: largest{}}
	plan, grid := a.Plan(job, 1), NewGrid(job.Layout(), start)
	sum, mean := NewSum(grid), make([]float32, len(start))
	for i, task := range plan.Tasks {
		end := make([]float32, len(start))
		if _, err := NewTrainer(job).Train(context.Background(), plan.Task(i), grid, Blocks{Start: start, End: end}); err != nil {
			t.Fatal(err)
		}
		if err := sum.Add(task.Share, end); err != nil {
			t.Fatal(err)
		}
		for j, x := range end {
			want[j] = max(want[j], x)
		}
	}
	if err := sum.Mean(mean); err != nil {
		t.Fatal(err)
	}
	putBuffers(job.Net.Layout(), want, buffersOf(job.Net.Layout(), mean))
	got, _ := carried(t, job, a, []Plan{plan})
	if !slices.Equal(bitsOf(got), bitsOf(want)) {
		t.Errorf("differs by %g", maxDifference(got, want))
	}
}

func TestAlgorithmsAreCheckedAgainstJobs(t *testing.T) {
	scaffold, nova := Algorithm{Rule: Scaffold{LR: 1, Option: 2}}, Algorithm{Rule: FedNova{LR: 1}}
	for _, c := range []struct {
		a     Algorithm
		local Local
		want  string
	}{
		{scaffold, Local{SGD: SGD{LR: 0.1}}, "see Algorithm.Prepare"},
		{Algorithm{Rule: FedAvg{LR: 1}}, Local{SGD: SGD{LR: 0.1}, Controls: 2}, "see Algorithm.Prepare"},
		{scaffold, Local{SGD: SGD{LR: 0.1, Momentum: 0.9}}, "without momentum"},
		{scaffold, Local{AdamW: &AdamW{LR: 0.1}}, "without momentum"},
		{nova, Local{AdamW: &AdamW{LR: 0.1}}, "needs sgd"},
		{nova, Local{SGD: SGD{LR: 0.1, Momentum: 0.5}, KeepState: true}, "keep_state"},
		{nova, Local{SGD: SGD{LR: 0.1}, ProxMu: 10}, "below 1"},
	} {
		c.local.Schedule = shard.Schedule{Batch: 1, Epochs: 1}
		err := c.a.Check(tinyJob(t, 2, c.local))
		if !errors.Is(err, ErrAlgorithm) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.a.Rule.Name(), err, c.want)
		}
	}
}
