package localsgd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// finish turns next, which holds the mean, into the next model by the rule's step.
func finish[F kernel.Float](layout *tensor.Layout, rule Rule, step func(start, next []F), start, next []F) error {
	if !rule.TakesMean() {
		means := buffersOf(layout, next)
		step(start, next)
		putBuffers(layout, next, means)
	}
	return CheckFinite(layout, next)
}

// Runner carries out whole rounds in this process, one task after the other: the code of workers and coordinator without
// network and store. It is the readable form of a round, and the oracle of the distributed one.
type Runner = RunnerIn[float32]

// RunnerIn is Runner for models of numbers F. RunnerIn[float64] keeps them in float64 from the start model on, whatever
// Job.Precision is: all tasks are float64, and the mean is the plain weighted one, in the order of shards. Its rule must be
// a PreciseRule.
//
// Shards' states (Job.ShardState) stay in the Runner's memory, all of them, and so do, for a rule that needs them all at
// once (Combiner), the updates of a round.
type RunnerIn[F kernel.Float] struct {
	Job       *Job
	Algorithm Algorithm
	Threads   int // goroutines that share a task's large products; 0: one. No result depends on it

	arithmetic arithmetic[F]
	team       *kernel.Team
	end        []F
	state      RunState[F]
}

// RunState is all that a run is between two rounds: whoever goes on from it gets the same bits as the run itself.
type RunState[F kernel.Float] struct {
	Round  int         // the last one made
	Block  []F         // what is stored (Algorithm.Layout): the model, and the rule's state
	Shards [][]float32 // by shard: its own state (Job.ShardState), nil as long as it has none
}

// Clone returns a copy that shares nothing with s.
func (s RunState[F]) Clone() RunState[F] {
	c := RunState[F]{Round: s.Round, Block: slices.Clone(s.Block), Shards: slices.Clone(s.Shards)}
	for k, state := range c.Shards {
		c.Shards[k] = slices.Clone(state)
	}
	return c
}

// arithmetic is what precisions do in ways of their own.
type arithmetic[F kernel.Float] interface {
	// join lets a team share the tasks' products.
	join(team *kernel.Team)
	// first returns what is stored before the first round.
	first() []F
	// begin begins a round.
	begin(start []F) error
	// train makes a task's local steps from the round's start.
	train(ctx context.Context, task Task, start, end []F) (Facts, error)
	// add adds a task's end to the mean.
	add(share Share, end []F) error
	// finish makes what is stored next.
	finish(plan Plan, start, next []F) error
	// shards returns the states of shards, to be read and written, nil where there are none.
	shards() [][]float32
}

// RoundFacts is what a round tells about itself.
type RoundFacts struct {
	Plan      Plan
	TrainLoss float64 // weighted mean over the participants of their steps' mean loss
	Steps     int
}

// Round makes one round from start to next, which must not overlap: blocks of what is stored, with Algorithm.Layout.
func (r *RunnerIn[F]) Round(ctx context.Context, round int, start, next []F) (RoundFacts, error) {
	return r.Carry(ctx, r.Algorithm.Plan(r.Job, round), start, next)
}

// Carry is Round for a plan that the caller has made, with Algorithm.PlanOf. When it fails, states of shards are as before.
func (r *RunnerIn[F]) Carry(ctx context.Context, plan Plan, start, next []F) (RoundFacts, error) {
	return r.CarryPart(ctx, plan, plan.Shards(), start, next)
}

// CarryPart is Carry for a round that closed before all had answered: the tasks of these shards, ascending, are carried out
// and count, the plan's others are not.
func (r *RunnerIn[F]) CarryPart(ctx context.Context, plan Plan, answered []int, start, next []F) (RoundFacts, error) {
	facts := RoundFacts{Plan: plan}
	if err := r.prepare(); err != nil {
		return facts, err
	}
	defer r.team.Staff()()
	if err := r.arithmetic.begin(start); err != nil {
		return facts, fmt.Errorf("beginning round %d: %w", plan.Round, err)
	}
	var loss LossMean
	for i, planned := range plan.Tasks {
		if _, counts := slices.BinarySearch(answered, planned.Shard); !counts {
			continue
		}
		f, err := r.arithmetic.train(ctx, plan.Task(i), start, r.end)
		if err != nil {
			return facts, err
		}
		if err := r.arithmetic.add(planned.Share, r.end); err != nil {
			return facts, fmt.Errorf("adding shard %d in round %d: %w", planned.Shard, plan.Round, err)
		}
		facts.Steps += f.Steps
		loss.Add(planned.Weight, f)
	}
	facts.TrainLoss = loss.Value()
	if err := r.arithmetic.finish(plan, start, next); err != nil {
		return facts, fmt.Errorf("finishing round %d: %w", plan.Round, err)
	}
	return facts, nil
}

func (r *RunnerIn[F]) prepare() error {
	if r.arithmetic != nil {
		return nil
	}
	r.end = make([]F, r.Job.Layout().Size())
	var made any
	var err error
	if _, is := any(r.end).([]float32); is {
		made, err = newSingle(r.Job, r.Algorithm)
	} else {
		made, err = newDouble(r.Job, r.Algorithm)
	}
	if err != nil {
		return fmt.Errorf("preparing a run: %w", err)
	}
	r.arithmetic = made.(arithmetic[F])
	r.team = kernel.NewTeam(max(1, r.Threads))
	r.arithmetic.join(r.team)
	return nil
}

// ShardState returns the state that a shard has after the last round, nil where it has none. It must not be changed, and is
// valid until the next round.
func (r *RunnerIn[F]) ShardState(k int) []float32 {
	if r.arithmetic == nil || r.arithmetic.shards() == nil {
		return nil
	}
	return r.arithmetic.shards()[k]
}

// LoseShardState makes a shard begin its next task as if it had no state yet. Before the first round there is none to lose.
func (r *RunnerIn[F]) LoseShardState(k int) {
	if r.arithmetic != nil && r.arithmetic.shards() != nil {
		r.arithmetic.shards()[k] = nil
	}
}

// State returns a copy of the state after the last round that Run has made, also during its callback.
func (r *RunnerIn[F]) State() RunState[F] {
	s := r.state
	if r.arithmetic != nil {
		s.Shards = r.arithmetic.shards()
	}
	return s.Clone()
}

// Resume makes Run go on from a state that State has returned for the same job and algorithm.
func (r *RunnerIn[F]) Resume(s RunState[F]) error {
	if err := r.prepare(); err != nil {
		return err
	}
	shards := r.arithmetic.shards()
	if len(s.Block) != len(r.arithmetic.first()) || len(s.Shards) != len(shards) {
		return fmt.Errorf("resuming round %d: a state of %d numbers and %d shards is not of this job and rule", s.Round, len(s.Block), len(s.Shards))
	}
	r.state = s.Clone()
	copy(shards, r.state.Shards)
	return nil
}

// ErrStop ends Run early and well when its callback returns it.
var ErrStop = errors.New("stop")

// Run makes the rounds up to the given number, from the job's start model or from where Resume has set it, and returns the
// last model. After each round it calls each, whose model is valid during the call; ErrStop from it ends the run, any other
// error fails it.
func (r *RunnerIn[F]) Run(ctx context.Context, rounds int, each func(facts RoundFacts, model []F) error) ([]F, error) {
	if err := r.prepare(); err != nil {
		return nil, err
	}
	if r.state.Block == nil {
		r.state.Block = r.arithmetic.first()
	}
	n := r.Job.Net.Parameters()
	next := make([]F, len(r.state.Block))
	for r.state.Round < rounds {
		facts, err := r.Round(ctx, r.state.Round+1, r.state.Block, next)
		if err != nil {
			return r.state.Block[:n], err
		}
		r.state.Block, next = next, r.state.Block
		r.state.Round++
		if each == nil {
			continue
		}
		if err := each(facts, r.state.Block[:n]); errors.Is(err, ErrStop) {
			break
		} else if err != nil {
			return r.state.Block[:n], fmt.Errorf("after round %d: %w", r.state.Round, err)
		}
	}
	return r.state.Block[:n], nil
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
