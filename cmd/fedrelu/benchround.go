package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

const benchRoundLong = `Time what a coordinator computes in a round under each rule, with its default parameters, and what a task takes
under it on a worker.

MS ADD is for adding all updates to the exact sum, for rules that need all updates at once for copying them in memory (a
coordinator writes them to its disk), for an asynchronous rule for adding half of them to the sum of an older start; MS FINISH
is for the mean or what takes its place, and the rule's step. RATIO compares both together with fedavg, MS TASK is for a task
of 100 steps on batches of 10, and the second RATIO compares that. Each is the median of five, and fedavg is timed in turn
with every rule. Nothing here is network, disk or evaluation.`

const (
	benchRoundTimings = 5
	benchRoundSteps   = 100 // of a timed task
	benchRoundBatch   = 10
	maxBenchUpdates   = 1000
)

func newBenchRound(a *app) *cobra.Command {
	var model string
	var updates int
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "round",
		Short:   "Time every rule's part of a round",
		Long:    benchRoundLong,
		Example: "  fedrelu bench round\n  fedrelu bench round --model cnn --updates 20 --json",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			bench, err := benchRules(cmd.Context(), model, updates)
			if err != nil {
				return err
			}
			if asJSON {
				return view.WriteJSON(a.stdout, bench)
			}
			return bench.WriteTable(a.stdout)
		},
	}
	cmd.Flags().StringVar(&model, "model", "2nn", "the network, of "+strings.Join(benchNames(), ", "))
	cmd.Flags().IntVar(&updates, "updates", 10, "how many shards take part")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// benchRules times every rule; the first is fedavg, which the others are compared with.
func benchRules(ctx context.Context, model string, updates int) (view.RoundBench, error) {
	at := slices.IndexFunc(benchModels, func(m benchModel) bool { return m.name == model })
	if at < 0 {
		return nil, usage("--model %s: want one of %s", model, strings.Join(benchNames(), ", "))
	}
	if least := mostNeeded(); updates < least || updates > maxBenchUpdates {
		return nil, usage("--updates %d: want %d to %d", updates, least, maxBenchUpdates)
	}
	data, err := benchRoundData(benchModels[at])
	if err != nil {
		return nil, err
	}
	rules := localsgd.Rules()
	base, err := data.round(rules[0], updates)
	if err != nil {
		return nil, err
	}
	var bench view.RoundBench
	for _, rule := range rules {
		row, err := data.measure(ctx, base, rule, updates)
		if err != nil {
			return nil, fmt.Errorf("timing %s: %w", rule.Name(), err)
		}
		bench = append(bench, row)
	}
	return bench, nil
}

// mostNeeded is how many updates the neediest rule asks for.
func mostNeeded() int {
	least := 1
	for _, rule := range localsgd.Rules() {
		if c, is := rule.(localsgd.Combiner); is {
			least = max(least, c.Least())
		}
	}
	return least
}

// roundData is what the rounds of all rules have in common.
type roundData struct {
	model benchModel
	net   *relu.Network
	set   *shard.Set
}

func benchRoundData(m benchModel) (roundData, error) {
	net, err := relu.New(m.layers, m.input, relu.CrossEntropy)
	if err != nil {
		return roundData{}, err
	}
	return roundData{m, net, benchData(net, benchRow{m, benchRoundBatch, 1})}, nil
}

// measure times a round of the rule, and in turn with it one of base, so that a processor whose speed changes slows both.
func (d roundData) measure(ctx context.Context, base *ruleRound, rule localsgd.Rule, updates int) (view.RoundRow, error) {
	row := view.RoundRow{Rule: rule.Name(), Model: d.model.name, Parameters: d.net.Parameters(), Updates: updates}
	r := base
	if rule != base.algorithm.Rule {
		var err error
		if r, err = d.round(rule, updates); err != nil {
			return row, err
		}
	}
	runtime.GC() // what the rule before left
	var mine, theirs roundTimes
	for range benchRoundTimings + 1 {
		if err := errors.Join(r.time(ctx, &mine), base.time(ctx, &theirs)); err != nil {
			return row, err
		}
	}
	row.AddMilliseconds, row.FinishMilliseconds, row.TaskMilliseconds = mine.medians()
	add, finish, task := theirs.medians()
	if r == base {
		add, finish, task = mine.medians()
	}
	row.Ratio, row.TaskRatio = (row.AddMilliseconds+row.FinishMilliseconds)/(add+finish), row.TaskMilliseconds/task
	return row, nil
}

// roundTimes are the times of a round's parts, in milliseconds.
type roundTimes struct{ add, finish, task []float64 }

// medians are those of all but the first of each, which has touched memory for the first time.
func (x roundTimes) medians() (add, finish, task float64) {
	return median(x.add[1:]), median(x.finish[1:]), median(x.task[1:])
}

// time times each part once.
func (r *ruleRound) time(ctx context.Context, x *roundTimes) error {
	for _, part := range []struct {
		ms *[]float64
		do func(context.Context) error
	}{{&x.add, r.add}, {&x.finish, r.finish}, {&x.task, r.train}} {
		began := time.Now()
		if err := part.do(ctx); err != nil {
			return err
		}
		*part.ms = append(*part.ms, time.Since(began).Seconds()*1000)
	}
	return nil
}

// ruleRound is a round of one rule, again and again with the same updates.
type ruleRound struct {
	job         *localsgd.Job
	algorithm   localsgd.Algorithm
	plan        localsgd.Plan
	grid        *localsgd.Grid
	start, next []float32   // what is stored
	updates     [][]float32 // of the plan's tasks
	sum         *localsgd.Sum
	held        *benchUpdates    // instead of sum, for a Combiner
	buffer      *localsgd.Buffer // likewise, for a rule whose updates start from several models
	trainer     *localsgd.Trainer
	task        localsgd.Blocks
}

// round prepares a round, whose updates are the start with small normals added.
func (d roundData) round(rule localsgd.Rule, updates int) (*ruleRound, error) {
	if buffered, is := rule.(localsgd.FedBuff); is {
		buffered.Buffer = updates
		rule = buffered
	}
	a := localsgd.Algorithm{Rule: rule}
	schedule := shard.Schedule{Order: shard.Cyclic, Batch: benchRoundBatch, Steps: benchRoundSteps}
	local, err := a.Prepare(localsgd.Local{Schedule: schedule, SGD: localsgd.SGD{LR: d.model.sgd.LR}})
	if err != nil {
		return nil, err
	}
	job := &localsgd.Job{Seed: 1, Net: d.net, Data: shard.Data{Train: d.set}, Shards: slices.Repeat(benchShards(1), updates), Local: local}
	r := &ruleRound{job: job, algorithm: a, plan: a.Plan(job, 1), start: a.Start(job), trainer: localsgd.NewTrainer(job)}
	travels := r.start[:job.Layout().Size()]
	r.grid, r.next = localsgd.NewGrid(job.Layout(), travels), make([]float32, len(r.start))
	r.sum = localsgd.NewSum(r.grid)
	if _, is := rule.(localsgd.Combiner); is {
		r.held = &benchUpdates{}
	}
	r.task = localsgd.Blocks{Start: travels, End: make([]float32, len(travels)), Next: make([]float32, job.ShardState().Size())}
	for k := range updates {
		r.updates = append(r.updates, nearby(travels, k))
	}
	if _, is := rule.(localsgd.Asynchronous); is {
		if r.buffer, err = localsgd.NewBuffer(job, a); err != nil {
			return nil, err
		}
	}
	return r, a.Check(job)
}

// addBuffered takes the updates in as those of a second round, of which every other one started from the model before.
func (r *ruleRound) addBuffered() error {
	r.buffer.Begin(2)
	for i, t := range r.plan.Tasks {
		if err := r.buffer.Add(localsgd.Arrival{Version: i % 2, Shard: t.Shard}, r.task.Start, r.updates[i]); err != nil {
			return err
		}
	}
	return nil
}

// nearby returns the k-th update.
func nearby(start []float32, k int) []float32 {
	s := keyed.New(1, "bench", uint64(k))
	update := slices.Clone(start)
	for i := range update {
		update[i] += float32(0.01 * s.Normal())
	}
	return update
}

// add takes all updates in.
func (r *ruleRound) add(context.Context) error {
	if r.buffer != nil {
		return r.addBuffered()
	}
	r.sum.Reset(r.grid)
	if r.held != nil {
		r.held.shares = r.held.shares[:0]
	}
	for i, t := range r.plan.Tasks {
		if r.held != nil {
			r.held.add(t.Share, r.updates[i])
		} else if err := r.sum.Add(t.Share, r.updates[i]); err != nil {
			return err
		}
	}
	return nil
}

// finish makes the next model.
func (r *ruleRound) finish(context.Context) error {
	if r.buffer != nil {
		return r.buffer.Finish(r.start, r.next)
	}
	if r.held != nil {
		return r.algorithm.Combine(r.job, r.plan, r.held, r.start, r.next)
	}
	return r.algorithm.Finish(r.job, r.plan, r.sum, r.start, r.next)
}

// train trains the first task.
func (r *ruleRound) train(ctx context.Context) error {
	_, err := r.trainer.Train(ctx, r.plan.Task(0), r.grid, r.task)
	return err
}

// benchUpdates are localsgd.Updates in memory that is used again.
type benchUpdates struct {
	shares []localsgd.Share
	blocks [][]float32
}

func (u *benchUpdates) add(share localsgd.Share, update []float32) {
	i := len(u.shares)
	u.shares = append(u.shares, share)
	if i == len(u.blocks) {
		u.blocks = append(u.blocks, nil)
	}
	u.blocks[i] = append(u.blocks[i][:0], update...)
}

// Shares implements localsgd.Updates.
func (u *benchUpdates) Shares() []localsgd.Share { return u.shares }

// Read implements localsgd.Updates.
func (u *benchUpdates) Read(dst []float32, i, offset int) error {
	copy(dst, u.blocks[i][offset:])
	return nil
}
