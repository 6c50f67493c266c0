package relu

import (
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// Norms take their statistics in float64, whatever F is: variances are differences of large sums.

// normStage executes a LayerNorm or a GroupNorm: each example is cut into rows, each of which is normalised alone.
type normStage[F kernel.Float] struct {
	rows         int // per example
	eps          float64
	unit         []int32 // of each number of an example, the weight that is its own
	weight, bias int
	y, hat       []F       // outputs; normalised inputs
	inverse      []float64 // 1 over each row's deviation
	dw, db       []float64
	piece        []F
}

func newNormStage[F kernel.Float](b *builder[F], rows int, eps float64, in []int, unit func(i int) int) *normStage[F] {
	s := &normStage[F]{
		rows: rows, eps: eps, unit: make([]int32, product(in)),
		weight: b.offset(0), bias: b.offset(1),
		y: b.numbers(in), hat: b.numbers(in), inverse: make([]float64, b.maxBatch*rows),
	}
	features := 0
	for i := range s.unit {
		s.unit[i] = int32(unit(i))
		features = max(features, unit(i)+1)
	}
	s.dw, s.db, s.piece = make([]float64, features), make([]float64, features), make([]F, features)
	return s
}

// unit returns the feature of number i of an example.
func (l LayerNorm) unit(i int) int { return i % l.Features }

// unit returns the function from the numbers of an example to their channel.
func (l GroupNorm) unit(in []int) func(i int) int {
	size := product(in) / l.Features
	return func(i int) int { return i / size }
}

func (s *normStage[F]) forward(params, x []F, n int) []F {
	w, b := params[s.weight:][:len(s.dw)], params[s.bias:][:len(s.db)]
	size := len(s.unit) / s.rows
	for r := range n * s.rows {
		row, hat, y := example(x, r, size), example(s.hat, r, size), example(s.y, r, size)
		unit := s.unit[r%s.rows*size:][:size]
		mean, variance := statistics(row)
		s.inverse[r] = 1 / math.Sqrt(variance+s.eps)
		for i, v := range row {
			hat[i] = F((float64(v) - mean) * s.inverse[r])
			y[i] = F(hat[i]*w[unit[i]]) + b[unit[i]]
		}
	}
	return s.y[:len(x)]
}

// statistics returns the mean and the (biased) variance of x.
func statistics[F kernel.Float](x []F) (mean, variance float64) {
	sum := 0.0
	for _, v := range x {
		sum += float64(v)
	}
	mean = sum / float64(len(x))
	return mean, squares(x, mean) / float64(len(x))
}

// squares returns the sum of the squared distances of x from mean.
func squares[F kernel.Float](x []F, mean float64) (sum float64) {
	for _, v := range x {
		d := float64(v) - mean
		sum += float64(d * d)
	}
	return sum
}

func (s *normStage[F]) backward(params, dy []F, want bool, sink Sink[F]) (dx []F) {
	clear(s.dw)
	clear(s.db)
	w := params[s.weight:][:len(s.dw)]
	size := len(s.unit) / s.rows
	for r := range len(dy) / size {
		d, hat, unit := example(dy, r, size), example(s.hat, r, size), s.unit[r%s.rows*size:][:size]
		sum, product := 0.0, 0.0
		for i, v := range d {
			u, g, h := unit[i], float64(v), float64(hat[i])
			s.dw[u] += float64(g * h)
			s.db[u] += g
			g = float64(g * float64(w[u]))
			sum += g
			product += float64(g * h)
		}
		if want {
			s.input(d, hat, unit, w, [3]float64{sum / float64(size), product / float64(size), s.inverse[r]})
		}
	}
	handOver(sink, s.weight, s.dw, s.piece)
	handOver(sink, s.bias, s.db, s.piece)
	return dy
}

// input replaces the gradient of a row's outputs by that of its inputs. The moments are the means of the weighted gradient
// and of its product with the normalised inputs, and 1 over the deviation.
func (s *normStage[F]) input(d, hat []F, unit []int32, w []F, moments [3]float64) {
	mean, product, inverse := moments[0], moments[1], moments[2]
	for i, v := range d {
		g := float64(float64(v) * float64(w[unit[i]]))
		g -= mean + float64(float64(hat[i])*product)
		d[i] = F(g * inverse)
	}
}

// handOver gives a gradient that was summed in float64 to the sink.
func handOver[F kernel.Float](sink Sink[F], offset int, g []float64, piece []F) {
	for i, v := range g {
		piece[i] = F(v)
	}
	sink.Gradient(offset, piece)
}
