package relu

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// BatchNorm normalises each feature to mean 0 and variance 1 and applies weight and bias: over the batch in training, by
// the running statistics in evaluation. A feature is a channel of images [Features, h, w] for Dims 2; for Dims 1 it is
// one of [Features], or a row of [Features, length].
//
// Its tensors are weight, bias, running_mean and running_var [Features]; the last two are buffers, which training moves
// towards the batch's mean and unbiased variance: running <- (1-Momentum) running + Momentum batch.
type BatchNorm struct {
	Features int
	Dims     int     // 1 or 2
	Eps      float64 // added to variances, positive; PyTorch's default is 1e-5
	Momentum float64 // in [0, 1]; PyTorch's default is 0.1
}

// LayerNorm normalises over the last dimension, which has Features numbers. Its tensors are weight and bias [Features].
type LayerNorm struct {
	Features int
	Eps      float64
}

// GroupNorm normalises over each of Groups groups of channels, the first of the dimensions. Its tensors are weight and
// bias [Features], one for each channel.
type GroupNorm struct {
	Groups, Features int
	Eps              float64
}

// norm returns a norm's weight and bias, which start at 1 and 0 in every initialisation.
func norm(features int) []parameter {
	return []parameter{constant("weight", features, 1), constant("bias", features, 0)}
}

func constant(name string, size int, value float32) parameter {
	return parameter{Desc: tensor.Desc{Name: name, Shape: []int{size}}, fixed: true, value: value}
}

func buffer(p parameter) parameter {
	p.Buffer = true
	return p
}

func checkEps(name string, eps float64) error {
	if !(eps > 0) || math.IsInf(eps, 1) {
		return fmt.Errorf("%s with eps %v: must be positive and finite", name, eps)
	}
	return nil
}

func (l BatchNorm) resolve(in []int, p *plan) ([]int, error) {
	fits := l.Dims == 2 && len(in) == 3 || l.Dims == 1 && len(in) <= 2
	switch {
	case l.Dims != 1 && l.Dims != 2:
		return nil, fmt.Errorf("batch_norm of %d dims: must be 1 or 2", l.Dims)
	case !fits || l.Features != in[0]:
		return nil, fmt.Errorf("batch_norm of %d features (dims %d) gets shape %v", l.Features, l.Dims, in)
	case !(l.Momentum >= 0 && l.Momentum <= 1):
		return nil, fmt.Errorf("batch_norm with momentum %v: must be between 0 and 1", l.Momentum)
	}
	if err := checkEps("batch_norm", l.Eps); err != nil {
		return nil, err
	}
	p.batch = 2
	p.add(norm(l.Features)...)
	p.add(buffer(constant("running_mean", l.Features, 0)), buffer(constant("running_var", l.Features, 1)))
	return in, nil
}

func (l LayerNorm) resolve(in []int, p *plan) ([]int, error) {
	if last := in[len(in)-1]; l.Features != last {
		return nil, fmt.Errorf("layer_norm of %d features gets %d (shape %v)", l.Features, last, in)
	}
	p.add(norm(l.Features)...)
	return in, checkEps("layer_norm", l.Eps)
}

func (l GroupNorm) resolve(in []int, p *plan) ([]int, error) {
	switch {
	case l.Features != in[0]:
		return nil, fmt.Errorf("group_norm of %d features gets %d (shape %v)", l.Features, in[0], in)
	case l.Groups < 1 || l.Features%l.Groups != 0:
		return nil, fmt.Errorf("group_norm of %d features in %d groups: must divide", l.Features, l.Groups)
	}
	p.add(norm(l.Features)...)
	return in, checkEps("group_norm", l.Eps)
}
