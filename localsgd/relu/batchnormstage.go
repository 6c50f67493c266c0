package relu

import (
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// batchNormStage executes a BatchNorm: each feature is normalised over examples and positions, which are channels last.
type batchNormStage[F kernel.Float] struct {
	eps, momentum                    float64
	mode                             *mode
	weight, bias, running, runningSq int // offsets in the block: of running_mean and running_var the last two
	y, hat                           []F
	mean, variance                   []float64
	inverse                          []float64 // 1 over each feature's deviation
	dw, db                           []float64
	piece                            []F
	columns                          kernel.Columns[F]
}

func newBatchNormStage[F kernel.Float](b *builder[F], l BatchNorm, in []int) *batchNormStage[F] {
	numbers := func() []float64 { return make([]float64, l.Features) }
	return &batchNormStage[F]{
		eps: l.Eps, momentum: l.Momentum, mode: b.mode,
		weight: b.offset(0), bias: b.offset(1), running: b.offset(2), runningSq: b.offset(3),
		y: b.numbers(in), hat: b.numbers(in),
		mean: numbers(), variance: numbers(), inverse: numbers(), dw: numbers(), db: numbers(),
		piece: make([]F, l.Features),
	}
}

func (s *batchNormStage[F]) forward(params, x []F, n int) []F {
	if *s.mode == training {
		s.statistics(x)
		s.follow(params, float64(len(x)/len(s.mean)))
	} else {
		for f := range s.mean {
			s.mean[f], s.variance[f] = float64(params[s.running+f]), float64(params[s.runningSq+f])
		}
	}
	for f, v := range s.variance {
		s.inverse[f] = 1 / math.Sqrt(v+s.eps)
	}
	k := &s.columns
	k.A, k.B = s.mean, s.inverse
	k.Weight, k.Bias = params[s.weight:][:len(s.mean)], params[s.bias:][:len(s.mean)]
	k.Normalise(s.y, s.hat, x)
	k.Weight, k.Bias = nil, nil
	return s.y[:len(x)]
}

// statistics takes the mean and the (biased) variance of each feature over the batch.
func (s *batchNormStage[F]) statistics(x []F) {
	count := float64(len(x) / len(s.mean))
	clear(s.mean)
	s.columns.A = s.mean
	s.columns.Sum(x)
	for f := range s.mean {
		s.mean[f] /= count
	}
	clear(s.variance)
	s.columns.A, s.columns.B = s.variance, s.mean
	s.columns.Squares(x)
	for f := range s.variance {
		s.variance[f] /= count
	}
}

// follow moves the running statistics towards the batch's, with the unbiased variance.
func (s *batchNormStage[F]) follow(params []F, count float64) {
	move := func(p *F, to float64) { *p = F(float64((1-s.momentum)*float64(*p)) + float64(s.momentum*to)) }
	for f := range s.mean {
		move(&params[s.running+f], s.mean[f])
		move(&params[s.runningSq+f], float64(s.variance[f]*(count/(count-1))))
	}
}

func (s *batchNormStage[F]) backward(params, dy []F, want bool, sink Sink[F]) []F {
	clear(s.dw)
	clear(s.db)
	k := &s.columns
	k.A, k.B = s.db, s.dw
	k.Gradients(dy, s.hat)
	if want {
		s.input(params[s.weight:], dy)
	}
	handOver(sink, s.weight, s.dw, s.piece)
	handOver(sink, s.bias, s.db, s.piece)
	return dy
}

// input replaces the gradient of the outputs by that of the inputs. In evaluation the statistics are constants. What they
// were is not needed any more.
func (s *batchNormStage[F]) input(w, dy []F) {
	count := float64(len(dy) / len(s.mean))
	clear(s.mean)
	clear(s.variance)
	for f := range s.mean {
		if *s.mode == training {
			s.mean[f], s.variance[f] = s.db[f]/count, s.dw[f]/count
		}
		s.inverse[f] = float64(float64(w[f]) * s.inverse[f])
	}
	s.columns.A, s.columns.B, s.columns.C = s.mean, s.variance, s.inverse
	s.columns.Back(dy, s.hat)
}
