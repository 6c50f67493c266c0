package selfcheck

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// oneShardProperty compares a run of a single shard with training that knows no rounds' mean: where the local work is SGD and
// nothing else, with a loop over batches that is written here; otherwise with tasks that start where the last one ended.
var oneShardProperty = property{
	name:     "one shard is plain training",
	expected: exactly,
	reason: func(s *Subject) string {
		return when(len(s.job.Local.Personal) > 0 || s.job.Local.FedBN, "personal tensors never reach the model")
	},
	measure: measureOneShard,
}

const (
	exactly        = "bit for bit"
	oneShardRounds = 2
)

func measureOneShard(ctx context.Context, s *Subject, c *code) (finding, error) {
	alone, err := s.plain(func(job *localsgd.Job) { job.Shards = job.Shards[:1] })
	if err != nil {
		return finding{}, err
	}
	got, err := c.rounds(ctx, alone.job, alone.algorithm, oneShardRounds)
	if err != nil {
		return finding{}, err
	}
	want, oracle, err := trainPlainly(ctx, alone)
	if err != nil {
		return finding{}, err
	}
	return same(got, want, s.underFedAvg(fmt.Sprintf("%s, against %s", plural(oneShardRounds, "round"), oracle))), nil
}

// same is the finding about two blocks that must have the same bits.
func same(got, want []float32, detail string) finding {
	n := 0
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			n++
		}
	}
	f := finding{measured: fmt.Sprintf("%d of %d numbers differ", n, len(want)), detail: detail, holds: n == 0}
	if n == 0 {
		f.measured = "the same bits"
	}
	return f
}

// trainPlainly trains the only shard of a setting without rounds' means, and says how.
func trainPlainly(ctx context.Context, s *setting) (model []float32, how string, err error) {
	l := s.job.Local
	extra := l.AdamW != nil || l.ClipNorm > 0 || l.PathNorm > 0 || l.ProxMu > 0 || l.KeepState || l.ClipUpdate > 0 ||
		len(l.Freeze)+len(l.SGD.NoDecay) > 0 || l.PostLocal > 0
	switch {
	case extra:
		model, err = taskAfterTask(ctx, s)
		return model, "tasks one after the other", err
	case s.job.Precision == localsgd.Float64:
		return sgdLoop[float64](s), "a loop of SGD", nil
	}
	return sgdLoop[float32](s), "a loop of SGD", nil
}

func taskAfterTask(ctx context.Context, s *setting) ([]float32, error) {
	trainer := localsgd.NewTrainer(s.job)
	model, end := s.job.Start(), make([]float32, s.job.Net.Parameters())
	var state, next []float32
	for round := range oneShardRounds {
		if n := s.job.ShardState().Size(); n > 0 {
			next = make([]float32, n)
		}
		grid := localsgd.NewGrid(s.job.Layout(), model)
		b := localsgd.Blocks{Start: model, End: end, State: state, Next: next}
		if _, err := trainer.Train(ctx, localsgd.Task{Round: round + 1}, grid, b); err != nil {
			return nil, err
		}
		model, end, state = end, model, next
	}
	return model, nil
}

// sgdLoop takes every batch's step by the definition of SGD. Rounds begin with velocities of zero, and with parameters that
// are float32.
func sgdLoop[F kernel.Float](s *setting) []float32 {
	job := s.job
	schedule := job.Local.Schedule
	schedule.Join = job.Net.LeastBatch() > 1
	machine := relu.NewMachine[F](job.Net, schedule.MaxBatch(len(job.Shards[0])))
	model := job.Start()
	params := make([]F, len(model))
	for round := 1; round <= oneShardRounds; round++ {
		for i, x := range model {
			params[i] = F(x)
		}
		o := job.Local.SGD
		loop := &sgdSteps[F]{params: params, step: kernel.NewSGD[F](job.Local.RateIn(round), o.WeightDecay, o.Momentum, o.Nesterov)}
		loop.velocity = make([]F, len(params))
		walk := shard.NewWalk(job.Seed, round, 0, job.Shards[0], schedule)
		for batch := walk.Next(); batch != nil; batch = walk.Next() {
			machine.Backward(params, localsgd.Fill(machine, job.Data.Train, batch), loop)
		}
		for i, x := range params {
			model[i] = float32(x)
		}
	}
	return model
}

// sgdSteps is a sink that takes the steps.
type sgdSteps[F kernel.Float] struct {
	params, velocity []F
	step             kernel.SGD[F]
}

// Gradient takes a piece.
func (s *sgdSteps[F]) Gradient(offset int, g []F) {
	s.step.Apply(s.params[offset:][:len(g)], s.velocity[offset:][:len(g)], g)
}
