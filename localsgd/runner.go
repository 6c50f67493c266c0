package localsgd

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Plan is one round's tasks: who takes part, with what weights.
type Plan struct {
	Round  int
	Shares []Share // ascending by shard
}

// Algorithm is what turns one model into the next besides the job: participation, weighting and rule.
type Algorithm struct {
	Participation Participation
	Weighting     Weighting
	Rule          Rule
}

// Plan returns the tasks of a round.
func (a Algorithm) Plan(job *Job, round int) Plan {
	shards := Participants(job.Seed, round, len(job.Shards), a.Participation)
	weights := Weights(job.Examples(shards), a.Weighting)
	p := Plan{Round: round, Shares: make([]Share, len(shards))}
	for i, k := range shards {
		p.Shares[i] = Share{Shard: k, Weight: weights[i]}
	}
	return p
}

// Finish makes the next model of a round: the mean of the sum, then the rule's step, which leaves buffers (running
// statistics) at the mean whatever the rule: they are no parameters, and momentum on a variance makes it negative. It returns ErrNoUpdates for an empty
// sum and a *RangeError for a model that is not finite.
func (a Algorithm) Finish(sum *Sum, start, next []float32) error {
	if err := sum.Mean(next); err != nil {
		return err
	}
	return finish(sum.Grid().Layout(), a.Rule, a.Rule.Step, start, next)
}

// finish turns next, which holds the mean, into the next model by the rule's step.
func finish[F kernel.Float](layout *tensor.Layout, rule Rule, step func(start, next []F), start, next []F) error {
	if !rule.TakesMean() {
		means := buffersOf(layout, next)
		step(start, next)
		putBuffers(layout, next, means)
	}
	return CheckFinite(layout, next)
}

// buffersOf returns the values of a block's buffers, one after the other.
func buffersOf[F kernel.Float](layout *tensor.Layout, block []F) (values []F) {
	for i := range layout.Len() {
		if v := layout.At(i); v.Buffer {
			values = append(values, tensor.Of(block, v)...)
		}
	}
	return values
}

// putBuffers is the inverse of buffersOf.
func putBuffers[F kernel.Float](layout *tensor.Layout, block, values []F) {
	for i := range layout.Len() {
		if v := layout.At(i); v.Buffer {
			values = values[copy(tensor.Of(block, v), values):]
		}
	}
}

// Runner carries out whole rounds in this process, one task after the other: the code of workers and coordinator without
// network and store. It is the readable form of a round, and the oracle of the distributed one.
type Runner = RunnerIn[float32]

// RunnerIn is Runner for models of numbers F. RunnerIn[float64] keeps them in float64 from the start model on, whatever
// Job.Precision is: all tasks are float64, and the mean is the plain weighted one, in the order of shards. Its rule must be
// a PreciseRule.
type RunnerIn[F kernel.Float] struct {
	Job       *Job
	Algorithm Algorithm

	arithmetic arithmetic[F]
	end        []F
}

// arithmetic is what precisions do in ways of their own.
type arithmetic[F kernel.Float] interface {
	// begin begins a round.
	begin(start []F) error
	// train makes a task's local steps from the round's start.
	train(ctx context.Context, task Task, start, end []F) (Facts, error)
	// add adds a task's end to the mean.
	add(share Share, end []F) error
	// finish makes the next model.
	finish(start, next []F) error
}

// RoundFacts is what a round tells about itself.
type RoundFacts struct {
	Plan      Plan
	TrainLoss float64 // weighted mean over the participants of their steps' mean loss
	Steps     int
}

// Round makes one round from start to next, which must not overlap.
func (r *RunnerIn[F]) Round(ctx context.Context, round int, start, next []F) (RoundFacts, error) {
	r.prepare()
	facts := RoundFacts{Plan: r.Algorithm.Plan(r.Job, round)}
	if err := r.arithmetic.begin(start); err != nil {
		return facts, fmt.Errorf("beginning round %d: %w", round, err)
	}
	var loss LossMean
	for _, share := range facts.Plan.Shares {
		f, err := r.arithmetic.train(ctx, Task{Round: round, Shard: share.Shard}, start, r.end)
		if err != nil {
			return facts, err
		}
		if err := r.arithmetic.add(share, r.end); err != nil {
			return facts, fmt.Errorf("adding shard %d in round %d: %w", share.Shard, round, err)
		}
		facts.Steps += f.Steps
		loss.Add(share.Weight, f)
	}
	facts.TrainLoss = loss.Value()
	if err := r.arithmetic.finish(start, next); err != nil {
		return facts, fmt.Errorf("finishing round %d: %w", round, err)
	}
	return facts, nil
}

func (r *RunnerIn[F]) prepare() {
	if r.arithmetic != nil {
		return
	}
	r.end = make([]F, r.Job.Net.Parameters())
	var a any = &single{trainer: NewTrainer(r.Job), algorithm: r.Algorithm, sum: &Sum{}}
	if _, is := a.(arithmetic[F]); !is {
		a = &double{solver: newSolver[float64](r.Job), algorithm: r.Algorithm, sum: make([]float64, len(r.end))}
	}
	r.arithmetic = a.(arithmetic[F])
}

// ErrStop ends Run early and well when its callback returns it.
var ErrStop = errors.New("stop")

// Run makes rounds 1 to rounds from the job's start model and returns the last model. After each round it calls each,
// whose model is valid during the call; ErrStop from it ends the run, any other error fails it.
func (r *RunnerIn[F]) Run(ctx context.Context, rounds int, each func(facts RoundFacts, model []F) error) ([]F, error) {
	start := widened[F](r.Job.Start())
	next := make([]F, len(start))
	for round := 1; round <= rounds; round++ {
		facts, err := r.Round(ctx, round, start, next)
		if err != nil {
			return start, err
		}
		start, next = next, start
		if each == nil {
			continue
		}
		if err := each(facts, start); errors.Is(err, ErrStop) {
			return start, nil
		} else if err != nil {
			return start, fmt.Errorf("after round %d: %w", round, err)
		}
	}
	return start, nil
}

// LossMean is the training loss of a round: the weighted mean over tasks of their steps' mean loss. Tasks must be added in
// ascending order of their shards, so that the sum has one order.
type LossMean struct {
	sum, weight float64
}

// Add counts one task.
func (m *LossMean) Add(w Weight, f Facts) {
	if f.Steps == 0 {
		return
	}
	m.sum += float64(w.Float() * (f.LossSum / float64(f.Steps)))
	m.weight += w.Float()
}

// Value returns the mean, NaN if nothing was added.
func (m *LossMean) Value() float64 {
	if m.weight == 0 {
		return math.NaN()
	}
	return m.sum / m.weight
}
