package relu

import (
	"fmt"
	"math"
)

// Scale multiplies by a constant, such as 1/sqrt(width) at the output of a wide network.
type Scale struct {
	Factor float64
}

// Softplus is log(1 + e^x), the smooth form of ReLU, and x itself above 20, as torch.nn.Softplus.
type Softplus struct{}

func (l Scale) resolve(in []int, _ *plan) ([]int, error) {
	if math.IsNaN(l.Factor) || math.IsInf(l.Factor, 0) {
		return nil, fmt.Errorf("scale by %v: must be finite", l.Factor)
	}
	return in, nil
}

func (Softplus) resolve(in []int, p *plan) ([]int, error) {
	p.activation(in, 0, false)
	return in, nil
}
