package localsgd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// AsyncRunner is Runner for Asynchronous rules: it makes each round of the updates that it is told of, so it repeats any order
// in which updates ever came in. It keeps the models of the last rounds, as many as an update may be old.
type AsyncRunner struct {
	Job       *Job
	Algorithm Algorithm

	trainer *Trainer
	buffer  *Buffer
	end     []float32
	state   AsyncState
}

// AsyncState is all that a run is between two rounds, together with the order of what came in.
type AsyncState struct {
	Round int
	Block []float32   // what is stored (Algorithm.Layout)
	Past  [][]float32 // the models of the rounds before, the newest last, as many as an update may still start from
}

// Clone returns a copy that shares nothing with s.
func (s AsyncState) Clone() AsyncState {
	c := AsyncState{Round: s.Round, Block: slices.Clone(s.Block), Past: slices.Clone(s.Past)}
	for i, model := range c.Past {
		c.Past[i] = slices.Clone(model)
	}
	return c
}

// AsyncFacts is what a round tells about itself.
type AsyncFacts struct {
	Round     int
	Arrivals  []Arrival // in the order of their coming
	Weights   []Weight  // what each of them counts
	Dropped   []Arrival // too old, and done anew; only of a simulated run
	TrainLoss float64   // mean over the updates, by undiscounted weight, of their steps' mean loss
	Steps     int
}

func (r *AsyncRunner) prepare() (err error) {
	if r.buffer != nil {
		return nil
	}
	buffer, err := NewBuffer(r.Job, r.Algorithm)
	if err != nil {
		return fmt.Errorf("preparing a run: %w", err)
	}
	r.trainer, r.end, r.buffer = NewTrainer(r.Job), make([]float32, r.Job.Layout().Size()), buffer
	if r.state.Block == nil {
		r.state.Block = r.Algorithm.Start(r.Job)
	}
	return nil
}

// Model returns the last model. It is valid until the next round.
func (r *AsyncRunner) Model() []float32 { return r.state.Block[:r.Job.Net.Parameters()] }

// Stored returns what is stored after the last round (Algorithm.Layout). It is valid until the next round.
func (r *AsyncRunner) Stored() []float32 { return r.state.Block }

// State returns a copy of the state after the last round, also during the callback of Run.
func (r *AsyncRunner) State() AsyncState { return r.state.Clone() }

// Resume makes the runner go on from a state that State has returned for the same job and algorithm.
func (r *AsyncRunner) Resume(s AsyncState) error {
	if err := r.prepare(); err != nil {
		return err
	}
	if size := r.Algorithm.Layout(r.Job).Size(); len(s.Block) != size || len(s.Past) != min(s.Round, r.buffer.rule.Oldest()) {
		return fmt.Errorf("resuming round %d: a state of %d numbers and %d models before is not of this job and rule", s.Round, len(s.Block), len(s.Past))
	}
	r.state = s.Clone()
	return nil
}

// Carry makes the next round of these updates, as many as the rule wants, in any order: each task is trained from the model of
// its version. When it fails, the state is as before. Errors are those of Trainer.Train and Buffer.Add.
func (r *AsyncRunner) Carry(ctx context.Context, updates []Arrival) (AsyncFacts, error) {
	facts := AsyncFacts{Round: r.state.Round + 1, Arrivals: updates}
	if err := r.prepare(); err != nil {
		return facts, err
	}
	r.buffer.Begin(facts.Round)
	for _, a := range updates {
		facts.Weights = append(facts.Weights, r.buffer.Counts(a))
	}
	sorted := slices.SortedFunc(slices.Values(updates), func(a, b Arrival) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Shard, b.Shard))
	})
	var loss LossMean
	for _, a := range sorted {
		f, err := r.train(ctx, a)
		if err != nil {
			return facts, fmt.Errorf("round %d: %w", facts.Round, err)
		}
		facts.Steps += f.Steps
		loss.Add(r.buffer.Share(a.Shard), f)
	}
	facts.TrainLoss = loss.Value()
	if !r.buffer.Full() {
		return facts, fmt.Errorf("round %d: %w: %d of %d", facts.Round, ErrNoUpdates, r.buffer.Len(), r.buffer.rule.Capacity())
	}
	return facts, r.finish()
}

// train makes a task's update and puts it into the buffer.
func (r *AsyncRunner) train(ctx context.Context, a Arrival) (Facts, error) {
	if err := r.buffer.Admits(a); err != nil {
		return Facts{}, err
	}
	start := r.Model()
	if age := r.state.Round - a.Version; age > 0 {
		start = r.state.Past[len(r.state.Past)-age]
	}
	f, err := r.trainer.Train(ctx, a.Task(), NewGrid(r.Job.Layout(), start), Blocks{Start: start, End: r.end})
	if err != nil {
		return f, err
	}
	return f, r.buffer.Add(a, start, r.end)
}

// finish makes the round exist.
func (r *AsyncRunner) finish() error {
	next := make([]float32, len(r.state.Block))
	if err := r.buffer.Finish(r.state.Block, next); err != nil {
		return fmt.Errorf("finishing round %d: %w", r.state.Round+1, err)
	}
	oldest := r.buffer.rule.Oldest()
	r.buffer.Begin(r.state.Round + 2)
	past := append(r.state.Past, slices.Clone(r.Model()))
	r.state.Past = slices.Delete(past, 0, max(0, len(past)-oldest))
	r.state.Block = next
	r.state.Round++
	return nil
}

// Run makes the rounds up to the given number with updates that come in as Timeline has it, and returns the last model. After
// each round it calls each, whose model is valid during the call; ErrStop from it ends the run, any other error fails it.
func (r *AsyncRunner) Run(ctx context.Context, rounds int, each func(facts AsyncFacts, model []float32) error) ([]float32, error) {
	if err := r.prepare(); err != nil {
		return nil, err
	}
	timeline := NewTimeline(r.Job, r.Algorithm)
	for number := 1; number <= rounds; number++ {
		updates, dropped := timeline.Next()
		if number <= r.state.Round {
			continue
		}
		facts, err := r.Carry(ctx, updates)
		if err != nil {
			return r.Model(), err
		}
		if facts.Dropped = dropped; each == nil {
			continue
		}
		if err := each(facts, r.Model()); errors.Is(err, ErrStop) {
			break
		} else if err != nil {
			return r.Model(), fmt.Errorf("after round %d: %w", r.state.Round, err)
		}
	}
	return r.Model(), nil
}
