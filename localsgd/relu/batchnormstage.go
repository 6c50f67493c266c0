package relu

import (
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// batchNormStage executes a BatchNorm: each feature is normalised over examples and positions.
type batchNormStage[F kernel.Float] struct {
	eps, momentum                    float64
	mode                             *mode
	features, positions              int
	weight, bias, running, runningSq int // offsets in the block: of running_mean and running_var the last two
	y, hat                           []F
	inverse                          []float64 // 1 over each feature's deviation
	dw, db                           []float64
	piece                            []F
}

func newBatchNormStage[F kernel.Float](b *builder[F], l BatchNorm, in []int) *batchNormStage[F] {
	return &batchNormStage[F]{
		eps: l.Eps, momentum: l.Momentum, mode: b.mode,
		features: l.Features, positions: product(in) / l.Features,
		weight: b.offset(0), bias: b.offset(1), running: b.offset(2), runningSq: b.offset(3),
		y: b.numbers(in), hat: b.numbers(in),
		inverse: make([]float64, l.Features), dw: make([]float64, l.Features), db: make([]float64, l.Features),
		piece: make([]F, l.Features),
	}
}

// image returns the numbers of feature f of example i.
func (s *batchNormStage[F]) image(batch []F, i, f int) []F {
	return batch[(i*s.features+f)*s.positions:][:s.positions]
}

func (s *batchNormStage[F]) forward(params, x []F, n int) []F {
	for f := range s.features {
		mean, variance := float64(params[s.running+f]), float64(params[s.runningSq+f])
		if *s.mode == training {
			mean, variance = s.statistics(x, n, f)
			s.follow(params, f, mean, variance, float64(n*s.positions))
		}
		s.inverse[f] = 1 / math.Sqrt(variance+s.eps)
		w, b := params[s.weight+f], params[s.bias+f]
		for i := range n {
			hat, y := s.image(s.hat, i, f), s.image(s.y, i, f)
			for j, v := range s.image(x, i, f) {
				hat[j] = F((float64(v) - mean) * s.inverse[f])
				y[j] = F(hat[j]*w) + b
			}
		}
	}
	return s.y[:len(x)]
}

// statistics returns the mean and the (biased) variance of feature f over the batch.
func (s *batchNormStage[F]) statistics(x []F, n, f int) (mean, variance float64) {
	for i := range n {
		for _, v := range s.image(x, i, f) {
			mean += float64(v)
		}
	}
	count := float64(n * s.positions)
	mean /= count
	for i := range n {
		variance += squares(s.image(x, i, f), mean)
	}
	return mean, variance / count
}

// follow moves the running statistics of feature f towards the batch's, with the unbiased variance.
func (s *batchNormStage[F]) follow(params []F, f int, mean, variance, count float64) {
	unbiased := float64(variance * (count / (count - 1)))
	move := func(p *F, to float64) { *p = F(float64((1-s.momentum)*float64(*p)) + float64(s.momentum*to)) }
	move(&params[s.running+f], mean)
	move(&params[s.runningSq+f], unbiased)
}

func (s *batchNormStage[F]) backward(params, dy []F, want bool, sink Sink[F]) []F {
	n := len(dy) / (s.features * s.positions)
	count := float64(n * s.positions)
	for f := range s.features {
		sum, product := s.sums(dy, n, f)
		s.dw[f], s.db[f] = product, sum
		if *s.mode == evaluation {
			sum, product = 0, 0 // the statistics are constants
		}
		if want {
			s.input(dy, f, n, [3]float64{sum / count, product / count, float64(float64(params[s.weight+f]) * s.inverse[f])})
		}
	}
	handOver(sink, s.weight, s.dw, s.piece)
	handOver(sink, s.bias, s.db, s.piece)
	return dy
}

// sums returns the sum of the gradient of feature f's outputs, and that of its product with the normalised inputs.
func (s *batchNormStage[F]) sums(dy []F, n, f int) (sum, product float64) {
	for i := range n {
		hat := s.image(s.hat, i, f)
		for j, v := range s.image(dy, i, f) {
			sum += float64(v)
			product += float64(float64(v) * float64(hat[j]))
		}
	}
	return sum, product
}

// input replaces the gradient of feature f's outputs by that of its inputs. The moments are the means of sums, and the
// factor by which inputs became outputs.
func (s *batchNormStage[F]) input(dy []F, f, n int, moments [3]float64) {
	mean, product, factor := moments[0], moments[1], moments[2]
	for i := range n {
		hat, d := s.image(s.hat, i, f), s.image(dy, i, f)
		for j, v := range d {
			g := float64(v) - (mean + float64(float64(hat[j])*product))
			d[j] = F(g * factor)
		}
	}
}
