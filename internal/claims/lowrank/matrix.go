package lowrank

import (
	"context"
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// The stated bounds of exact claims.
const (
	bound64 = 1e-10
	bound32 = 1e-5
)

// layer is a weight with what the theorem knows of it.
type layer struct {
	tensor.View
	kind       string // linear, conv, residual, shortcut
	rows, cols int
	positions  int // m: how often each example uses it
}

// layersOf returns the hidden weights of a network.
func layersOf(net *relu.Network) []layer {
	var out []layer
	for i := range net.Layout().Len() {
		view := net.Layout().At(i)
		for _, hidden := range claims.Hidden(net) {
			if hidden.Name == view.Name {
				rows, cols, _ := view.Matrix()
				out = append(out, layer{view, kindOf(view), rows, cols, net.Positions(i)})
			}
		}
	}
	return out
}

// singular returns all singular values of a matrix in float64, in descending order.
func singular[F float32 | float64](block []F, l layer) ([]float64, error) {
	values := make([]float64, l.Size)
	for i, v := range tensor.Of(block, l.View) {
		values[i] = float64(v)
	}
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(l.rows, l.cols, values), mat.SVDNone) {
		return nil, errors.New("singular values of " + l.Name + " did not converge")
	}
	return svd.Values(nil), nil
}

// collector keeps a gradient.
type collector[F float32 | float64] []F

// Gradient implements relu.Sink.
func (c collector[F]) Gradient(offset int, g []F) { copy(c[offset:], g) }

// gradient returns the gradient of the data loss on some examples of the training set.
func gradient[F float32 | float64](s *claims.Setting, params []F, examples []int32) []F {
	machine := relu.NewMachine[F](s.Job.Net, len(examples))
	g := make(collector[F], len(params))
	machine.Probe(params, localsgd.Fill(machine, s.Job.Data.Train, examples), g)
	return g
}

// batch returns the examples of the only step of shard 0 in a round.
func batch(s *claims.Setting, round int) []int32 {
	return shard.NewWalk(s.Job.Seed, round, 0, s.Job.Shards[0], s.Job.Local.Schedule).Next()
}

// runner returns a runner of numbers F.
func runner[F float32 | float64](s *claims.Setting) *localsgd.RunnerIn[F] {
	return &localsgd.RunnerIn[F]{Job: s.Job, Algorithm: s.Algorithm}
}

// begin returns the start model in numbers F.
func begin[F float32 | float64](s *claims.Setting) []F {
	start := s.Job.Start()
	out := make([]F, len(start))
	for i, v := range start {
		out[i] = F(v)
	}
	return out
}

// models makes so many rounds and returns the model before the first and after each.
func models[F float32 | float64](ctx context.Context, s *claims.Setting, rounds int) ([][]F, error) {
	r := runner[F](s)
	out := [][]F{begin[F](s)}
	for round := 1; round <= rounds; round++ {
		next := make([]F, len(out[0]))
		if _, err := r.Round(ctx, round, out[round-1], next); err != nil {
			return nil, err
		}
		out = append(out, next)
	}
	return out, nil
}

func norm(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}
