package relu

import (
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// batchNormStage executes a BatchNorm: each feature is normalised over examples and positions.
type batchNormStage[F kernel.Float] struct {
	eps, momentum                    float64
	mode                             *mode
	features                         int
	weight, bias, running, runningSq int // offsets in the block: of running_mean and running_var the last two
	y, hat                           []F
	mean, variance                   []float64
	inverse                          []float64 // 1 over each feature's deviation
	means, products                  []float64 // of the gradient in backward
	dw, db                           []float64
	piece                            []F
}

func newBatchNormStage[F kernel.Float](b *builder[F], l BatchNorm, in []int) *batchNormStage[F] {
	return &batchNormStage[F]{
		eps: l.Eps, momentum: l.Momentum, mode: b.mode,
		features: l.Features,
		weight:   b.offset(0), bias: b.offset(1), running: b.offset(2), runningSq: b.offset(3),
		y: b.numbers(in), hat: b.numbers(in),
		mean: make([]float64, l.Features), variance: make([]float64, l.Features),
		inverse: make([]float64, l.Features), means: make([]float64, l.Features), products: make([]float64, l.Features),
		dw: make([]float64, l.Features), db: make([]float64, l.Features),
		piece: make([]F, l.Features),
	}
}

func (s *batchNormStage[F]) forward(params, x []F, n int) []F {
	w, b := params[s.weight:][:s.features], params[s.bias:][:s.features]
	for f := range s.features {
		s.mean[f], s.variance[f] = float64(params[s.running+f]), float64(params[s.runningSq+f])
	}
	if *s.mode == training {
		s.statistics(x)
		s.follow(params, float64(len(x)/s.features))
	}
	for f, v := range s.variance {
		s.inverse[f] = 1 / math.Sqrt(v+s.eps)
	}
	for at := 0; at < len(x); at += s.features {
		hat, y := s.hat[at:][:s.features], s.y[at:][:s.features]
		for f, v := range x[at:][:s.features] {
			hat[f] = F((float64(v) - s.mean[f]) * s.inverse[f])
			y[f] = F(hat[f]*w[f]) + b[f]
		}
	}
	return s.y[:len(x)]
}

// statistics takes the mean and the (biased) variance of each feature over the batch.
func (s *batchNormStage[F]) statistics(x []F) {
	count := float64(len(x) / s.features)
	mean, variance := s.mean, s.variance
	clear(mean)
	clear(variance)
	for at := 0; at < len(x); at += s.features {
		for f, v := range x[at:][:len(mean)] {
			mean[f] += float64(v)
		}
	}
	for f := range mean {
		mean[f] /= count
	}
	for at := 0; at < len(x); at += s.features {
		for f, v := range x[at:][:len(mean)] {
			d := float64(v) - mean[f]
			variance[f] += float64(d * d)
		}
	}
	for f := range variance {
		variance[f] /= count
	}
}

// follow moves the running statistics towards the batch's, with the unbiased variance.
func (s *batchNormStage[F]) follow(params []F, count float64) {
	move := func(p *F, to float64) { *p = F(float64((1-s.momentum)*float64(*p)) + float64(s.momentum*to)) }
	for f := range s.features {
		move(&params[s.running+f], s.mean[f])
		move(&params[s.runningSq+f], float64(s.variance[f]*(count/(count-1))))
	}
}

func (s *batchNormStage[F]) backward(params, dy []F, want bool, sink Sink[F]) []F {
	s.sums(dy)
	if want {
		s.input(params[s.weight:], dy)
	}
	handOver(sink, s.weight, s.dw, s.piece)
	handOver(sink, s.bias, s.db, s.piece)
	return dy
}

// sums takes the sums of the gradient of each feature's outputs, and of its product with the normalised inputs.
func (s *batchNormStage[F]) sums(dy []F) {
	dw, db := s.dw, s.db
	clear(dw)
	clear(db)
	for at := 0; at < len(dy); at += len(dw) {
		hat := s.hat[at:][:len(dw)]
		for f, v := range dy[at:][:len(dw)] {
			db[f] += float64(v)
			dw[f] += float64(float64(v) * float64(hat[f]))
		}
	}
}

// input replaces the gradient of the outputs by that of the inputs. In evaluation the statistics are constants.
func (s *batchNormStage[F]) input(w, dy []F) {
	count := float64(len(dy) / s.features)
	clear(s.means)
	clear(s.products)
	for f := range s.inverse {
		if *s.mode == training {
			s.means[f], s.products[f] = s.db[f]/count, s.dw[f]/count
		}
		s.inverse[f] = float64(float64(w[f]) * s.inverse[f])
	}
	for at := 0; at < len(dy); at += s.features {
		hat, d := s.hat[at:][:s.features], dy[at:][:s.features]
		for f, v := range d {
			g := float64(v) - (s.means[f] + float64(float64(hat[f])*s.products[f]))
			d[f] = F(g * s.inverse[f])
		}
	}
}
