package localsgd

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// task makes a task on params, which hold the start model before and what the update carries of the model after. The rest
// of the update and the shard's state go to b.
func (s *solver[F]) task(ctx context.Context, task Task, b Blocks, params []F) (Facts, error) {
	if len(b.Next) != s.state.layout.Size() || b.State != nil && len(b.State) != len(b.Next) {
		panic(fmt.Sprintf("localsgd: states of %d and %d numbers, the job has %d", len(b.State), len(b.Next), s.state.layout.Size()))
	}
	if b.State != nil {
		s.state.eachPersonal(func(v tensor.View, at int) { convert(tensor.Of(params, v), b.State[at:]) })
	}
	s.begin(task, params)
	s.loadOptimizer(b.State)
	if s.controls != nil {
		s.loadControls(b)
	}
	if s.whole != nil {
		s.gradientAtStart(task.Shard)
	}
	f, err := s.hold(ctx, task, params)
	if err != nil {
		return f, err
	}
	if s.controls != nil {
		s.saveControls(b, params, float64(float64(f.Steps)*s.job.Local.RateIn(task.Round)))
	}
	s.saveOptimizer(b.Next)
	s.state.eachPersonal(func(v tensor.View, at int) {
		convert(b.Next[at:][:v.Size], tensor.Of(params, v))
		convert(tensor.Of(params, v), tensor.Of(b.Start, v))
	})
	s.clipUpdate(b.Start, params)
	return f, nil
}

// loadOptimizer gives the optimizer what an earlier task has left.
func (s *solver[F]) loadOptimizer(state []float32) {
	if state == nil {
		return
	}
	n := s.job.Net.Parameters()
	if at := s.state.velocity; at >= 0 {
		s.opt.sgd.load(state[at:][:n])
	}
	if at := s.state.steps; at >= 0 {
		steps := int(state[at]) + stepsBase*int(state[at+1])
		s.opt.adam.load(state[s.state.mean:][:n], state[s.state.square:][:n], steps)
	}
}

func (s *solver[F]) saveOptimizer(state []float32) {
	n := s.job.Net.Parameters()
	if at := s.state.velocity; at >= 0 {
		s.opt.sgd.save(state[at:][:n])
	}
	if at := s.state.steps; at >= 0 {
		steps := s.opt.adam.save(state[s.state.mean:][:n], state[s.state.square:][:n])
		state[at], state[at+1] = float32(steps%stepsBase), float32(steps/stepsBase)
	}
}

// loadControls makes s.controls of c, behind the start model, and c_i.
func (s *solver[F]) loadControls(b Blocks) {
	n := len(s.controls)
	c := b.Start[n : 2*n]
	if b.State == nil {
		convert(s.controls, c)
		return
	}
	own := b.State[s.state.controls:][:n]
	for i := range s.controls {
		s.controls[i] = F(c[i]) - F(own[i])
	}
}

// saveControls writes c_i+ to the state, and c_i+ - c_i to the update. moved is K lr. What no task moves for others has
// none.
func (s *solver[F]) saveControls(b Blocks, params []F, moved float64) {
	n := len(params)
	c, change, renewed := b.Start[n:2*n], b.End[n:2*n], b.Next[s.state.controls:][:n]
	own := make([]float32, n)
	if b.State != nil {
		own = b.State[s.state.controls:][:n]
	}
	for i := range renewed {
		switch {
		case s.whole != nil:
			renewed[i] = float32(s.whole.sum[i])
		case moved == 0: // nothing was learned
			renewed[i] = own[i]
		default:
			renewed[i] = float32(float64(own[i]) - float64(c[i]) + (float64(s.origin[i])-float64(params[i]))/moved)
		}
	}
	layout := s.job.Net.Layout()
	clearBuffers(layout, renewed)
	for _, v := range s.job.still(true) {
		clear(tensor.Of(renewed, v))
	}
	for i := range change {
		change[i] = renewed[i] - own[i]
	}
}

// wholeGradient collects the gradient of a shard's whole loss.
type wholeGradient struct {
	sum   []float64
	share float64 // of the batch at hand
}

// gradientSink adds a batch's gradient, times its share of the shard.
type gradientSink[F kernel.Float] struct{ *wholeGradient }

// Gradient takes a piece.
func (s gradientSink[F]) Gradient(offset int, g []F) {
	sum := s.sum[offset:][:len(g)]
	for i, x := range g {
		sum[i] += float64(s.share * float64(x))
	}
}

// wholeSchedule is a pass through a shard, in its order.
func (j *Job) wholeSchedule() shard.Schedule {
	s := j.schedule()
	s.Order, s.Epochs, s.Steps = shard.Sequential, 1, 0
	return s
}

// gradientAtStart makes s.whole the gradient of the shard's whole loss at the start, in training mode: batch norm
// normalises by the batches of the schedule's size.
func (s *solver[F]) gradientAtStart(k int) {
	examples := s.job.Shards[k]
	clear(s.whole.sum)
	params := append([]F(nil), s.origin...) // running statistics move
	walk := shard.NewWalk(s.job.Seed, 1, k, examples, s.job.wholeSchedule())
	var sink relu.Sink[F] = gradientSink[F]{s.whole}
	for batch := walk.Next(); batch != nil; batch = walk.Next() {
		s.whole.share = float64(len(batch)) / float64(len(examples))
		s.machine.Backward(params, s.fill(k, batch), sink)
	}
}

// clipUpdate shortens the way from start to params to the bound, if that is less. Buffers stay.
func (s *solver[F]) clipUpdate(start []float32, params []F) {
	bound := s.job.Local.ClipUpdate
	if bound == 0 {
		return
	}
	layout := s.job.Net.Layout()
	square := 0.0
	each := func(visit func(w *F, start float64)) {
		for i := range layout.Len() {
			if v := layout.At(i); !v.Buffer {
				for j := v.Offset; j < v.Offset+v.Size; j++ {
					visit(&params[j], float64(start[j]))
				}
			}
		}
	}
	each(func(w *F, start float64) {
		d := float64(*w) - start
		square += float64(d * d)
	})
	norm := math.Sqrt(square)
	if !(norm > bound) || math.IsInf(norm, 0) {
		return
	}
	each(func(w *F, start float64) { *w = F(start + float64((float64(*w)-start)*(bound/norm))) })
}
