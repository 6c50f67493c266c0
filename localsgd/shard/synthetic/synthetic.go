// Package synthetic makes data sets of nothing but numbers: regression on a teacher network, on a linear map and on
// functions of one variable, Gaussian classes, and the heterogeneous devices of FedProx.
//
// Rules. A data set is a function of its Source, of which Seed is a part: it does not change with the seed of a run, so that
// runs with several seeds train on the same data. Every draw is keyed; all arithmetic is float64 with fixed rounding, and
// values are rounded to float32 once, so that they are the same bits on every machine (golden values pin them). Labels and
// targets are computed of the inputs as they are stored. Noise is added to the training targets only: the loss on the test
// set measures the distance to the truth.
package synthetic

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Bounds of what one source makes.
const (
	MaxValues   = 1 << 28 // features of both sets together: 1 GiB
	MaxProducts = 1 << 36 // multiplications of all labels and targets: about a minute
)

// Source is a data set to be made: Teacher, Linear, FedProx, Gaussian or Function. All are comparable; equal sources make
// equal data.
type Source interface {
	// Cost returns how many features there will be, as far as that is known before, and how many multiplications.
	Cost() (values, products int64)
	// make draws the data set; its sizes have been checked.
	make() (shard.Data, error)
}

// Make draws the arrays of s that are needed. Sizes that are not positive, or too large, are refused with an error that wraps
// shard.ErrData.
func Make(s Source, need shard.Need) (shard.Data, error) {
	if err := Check(s); err != nil {
		return shard.Data{}, err
	}
	data, err := s.make()
	if err != nil {
		return shard.Data{}, err
	}
	data.Train = keep(data.Train, need.Has(shard.TrainX), need.Has(shard.TrainY))
	data.Test = keep(data.Test, need.Has(shard.TestX), need.Has(shard.TestY))
	return data, nil
}

// Check compares what s costs with the bounds.
func Check(s Source) error {
	values, products := s.Cost()
	if values < 1 || values > MaxValues {
		return fmt.Errorf("%w: it makes %d values, want 1 to %d", shard.ErrData, values, MaxValues)
	}
	if products > MaxProducts {
		return fmt.Errorf("%w: it takes %d multiplications, at most %d are allowed", shard.ErrData, products, int64(MaxProducts))
	}
	return nil
}

// keep drops the arrays that are not needed.
func keep(s *shard.Set, x, y bool) *shard.Set {
	if !x && !y {
		return nil
	}
	if !x {
		s.Values, s.Shape = nil, nil
	}
	if !y {
		s.Labels, s.Targets, s.Groups = nil, nil, nil
	}
	return s
}

// The streams of a source, each with a number of its own.
const (
	truth uint64 = iota // what the targets or labels come from
	trainDraws
	testDraws
)

func regression(n, inputs, outputs int) *shard.Set {
	return &shard.Set{
		Shape: []int{inputs}, N: n, Outputs: outputs, Values: make([]float32, n*inputs), Targets: make([]float32, n*outputs),
	}
}

func classification(n, inputs, classes int) *shard.Set {
	return &shard.Set{
		Shape: []int{inputs}, N: n, Classes: classes, Outputs: classes, Values: make([]float32, n*inputs), Labels: make([]int32, n),
	}
}

// normals fills dst with draws of N(0, std^2).
func normals(stream *keyed.Stream, dst []float64, std float64) {
	for i := range dst {
		dst[i] = float64(std * stream.Normal())
	}
}

// dot returns the product of weights with inputs as they are stored.
func dot(weights []float64, x []float32) float64 {
	sum := 0.0
	for i, w := range weights {
		sum += float64(w * float64(x[i]))
	}
	return sum
}
