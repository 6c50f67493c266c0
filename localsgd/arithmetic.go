package localsgd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// single is the arithmetic of clusters: float32 models, the exact mean, and states of rules and shards. It holds every
// shard's state in memory, and for a Combiner every update of the round.
type single struct {
	trainer   *Trainer
	algorithm Algorithm
	sum       *Sum
	states    [][]float32 // by shard, as the last round has left them
	next      map[int][]float32
	updates   *heldUpdates // for a Combiner
}

func newSingle(job *Job, a Algorithm) (*single, error) {
	if err := a.Check(job); err != nil {
		return nil, err
	}
	if _, is := a.Rule.(Asynchronous); is {
		return nil, fmt.Errorf("%w: %s has no rounds with a plan, see AsyncRunner", ErrAlgorithm, a.Rule.Name())
	}
	s := &single{trainer: NewTrainer(job), algorithm: a, sum: &Sum{}, states: make([][]float32, len(job.Shards))}
	if _, is := a.Rule.(Combiner); is {
		s.updates = &heldUpdates{}
	}
	return s, nil
}

func (s *single) join(team *kernel.Team) { s.trainer.Join(team) }

func (s *single) begin(start []float32) error {
	s.sum.Reset(NewGrid(s.trainer.job.Layout(), start))
	s.next = make(map[int][]float32)
	if s.updates != nil {
		*s.updates = heldUpdates{}
	}
	return nil
}

func (s *single) train(ctx context.Context, task Task, start, end []float32) (Facts, error) {
	b := Blocks{Start: start, End: end, State: s.states[task.Shard]}
	if n := s.trainer.state.layout.Size(); n > 0 {
		b.Next = make([]float32, n)
		s.next[task.Shard] = b.Next
	}
	return s.trainer.Train(ctx, task, s.sum.Grid(), b)
}

func (s *single) add(share Share, end []float32) error {
	if s.updates != nil {
		s.updates.add(share, end)
		return nil
	}
	return s.sum.Add(share, end)
}

func (s *single) finish(plan Plan, start, next []float32) error {
	job := s.trainer.job
	finish := func() error { return s.algorithm.Finish(job, plan, s.sum, start, next) }
	if s.updates != nil {
		finish = func() error { return s.algorithm.Combine(job, plan, s.updates, start, next) }
	}
	if err := finish(); err != nil {
		return err
	}
	for k, state := range s.next {
		s.states[k] = state
	}
	return nil
}

func (s *single) shards() [][]float32 { return s.states }

func (s *single) first() []float32 { return s.algorithm.Start(s.trainer.job) }

// heldUpdates are Updates in memory.
type heldUpdates struct {
	shares []Share
	blocks [][]float32
}

func (u *heldUpdates) add(share Share, block []float32) {
	u.shares = append(u.shares, share)
	u.blocks = append(u.blocks, slices.Clone(block))
}

// Shares implements Updates.
func (u *heldUpdates) Shares() []Share { return u.shares }

// Read implements Updates.
func (u *heldUpdates) Read(dst []float32, i, offset int) error {
	copy(dst, u.blocks[i][offset:offset+len(dst)])
	return nil
}

// double is that of float64 models: the plain weighted mean. A lone update has weight 1, and is the mean.
type double struct {
	solver    *solver[float64]
	algorithm Algorithm
	sum       []float64
	weight    float64
}

func newDouble(job *Job, a Algorithm) (*double, error) {
	if err := a.Check(job); err != nil {
		return nil, err
	}
	if _, is := a.Rule.(PreciseRule); !is {
		return nil, fmt.Errorf("the rule %s has no form in float64", a.Rule.Name())
	}
	d := &double{solver: newSolver[float64](job), algorithm: a, sum: make([]float64, job.Net.Parameters())}
	if d.solver.state.layout.Size() > 0 || job.Local.ClipUpdate != 0 || job.Byzantine.Attack != nil {
		return nil, errors.New("states of shards, clip_update and attacks have no form in float64 models")
	}
	return d, nil
}

func (d *double) join(team *kernel.Team) { d.solver.machine.Join(team) }

func (d *double) begin([]float64) error {
	clear(d.sum)
	d.weight = 0
	return nil
}

func (d *double) train(ctx context.Context, task Task, start, end []float64) (Facts, error) {
	copy(end, start)
	f, err := d.solver.solve(ctx, task, end)
	if err != nil {
		return f, err
	}
	if err := CheckFinite(d.solver.job.Net.Layout(), end); err != nil {
		return f, &DivergedError{task.Round, task.Shard, f.Steps, err.Error()}
	}
	return f, nil
}

func (d *double) add(share Share, end []float64) error {
	w := share.Weight.Float()
	for i, x := range end {
		d.sum[i] += float64(w * x)
	}
	d.weight += w
	return nil
}

func (d *double) shards() [][]float32 { return nil }

func (d *double) first() []float64 { return widened[float64](d.solver.job.Start()) }

func (d *double) finish(_ Plan, start, next []float64) error {
	for i, x := range d.sum {
		next[i] = x / d.weight
	}
	rule := d.algorithm.Rule.(PreciseRule)
	return finish(d.solver.job.Net.Layout(), rule, rule.StepFloat64, start, next)
}

// convert copies numbers into another precision, rounding once.
func convert[To, From kernel.Float](dst []To, src []From) {
	for i, x := range src[:len(dst)] {
		dst[i] = To(x)
	}
}

// widened returns the block in numbers F, itself where it has them.
func widened[F kernel.Float](block []float32) []F {
	if same, is := any(block).([]F); is {
		return same
	}
	wide := make([]F, len(block))
	for i, x := range block {
		wide[i] = F(x)
	}
	return wide
}
