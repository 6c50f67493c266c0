package synthetic

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/detmath"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Linear is linear regression (PAPERS.md P3, experiment Z1): x of N(0, 1/Inputs) in each entry, a map W of N(0, 1), targets
// W x with noise of N(0, Noise^2).
type Linear struct {
	Seed            uint64
	Train, Test     int // examples
	Inputs, Outputs int
	Noise           float64
}

// Cost implements Source.
func (s Linear) Cost() (values, products int64) {
	n := int64(s.Train + s.Test)
	return n * int64(s.Inputs), n * int64(s.Inputs) * int64(s.Outputs)
}

func (s Linear) make() (shard.Data, error) {
	w := make([]float64, s.Outputs*s.Inputs)
	normals(keyed.New(s.Seed, "synthetic/linear", truth), w, 1)
	sampler := sampler{
		inputs: s.Inputs, outputs: s.Outputs, std: 1 / math.Sqrt(float64(s.Inputs)),
		f: func(x []float32, y []float64) {
			for o := range y {
				y[o] = dot(w[o*s.Inputs:][:s.Inputs], x)
			}
		},
	}
	return shard.Data{
		Train: sampler.draw(keyed.New(s.Seed, "synthetic/linear", trainDraws), s.Train, s.Noise),
		Test:  sampler.draw(keyed.New(s.Seed, "synthetic/linear", testDraws), s.Test, 0),
	}, nil
}

// Teacher is regression on a ReLU network with one hidden layer and no biases: x of N(0, 1) in each entry, hidden weights of
// N(0, 2/Inputs), output weights of N(0, 1/Hidden), so that targets have a mean square of about 1 before noise of
// N(0, Noise^2).
type Teacher struct {
	Seed                    uint64
	Train, Test             int // examples
	Inputs, Hidden, Outputs int
	Noise                   float64
}

// Cost implements Source.
func (s Teacher) Cost() (values, products int64) {
	n := int64(s.Train + s.Test)
	return n * int64(s.Inputs), n * int64(s.Hidden) * int64(s.Inputs+s.Outputs)
}

func (s Teacher) make() (shard.Data, error) {
	stream := keyed.New(s.Seed, "synthetic/teacher", truth)
	below, above := make([]float64, s.Hidden*s.Inputs), make([]float64, s.Outputs*s.Hidden)
	normals(stream, below, math.Sqrt(2/float64(s.Inputs)))
	normals(stream, above, 1/math.Sqrt(float64(s.Hidden)))
	hidden := make([]float64, s.Hidden)
	sampler := sampler{
		inputs: s.Inputs, outputs: s.Outputs, std: 1,
		f: func(x []float32, y []float64) {
			for h := range hidden {
				hidden[h] = max(0, dot(below[h*s.Inputs:][:s.Inputs], x))
			}
			for o := range y {
				y[o] = 0
				for h, v := range hidden {
					y[o] += float64(above[o*s.Hidden+h] * v)
				}
			}
		},
	}
	return shard.Data{
		Train: sampler.draw(keyed.New(s.Seed, "synthetic/teacher", trainDraws), s.Train, s.Noise),
		Test:  sampler.draw(keyed.New(s.Seed, "synthetic/teacher", testDraws), s.Test, 0),
	}, nil
}

// sampler draws inputs of N(0, std^2) and has their targets computed.
type sampler struct {
	inputs, outputs int
	std             float64
	f               func(x []float32, y []float64)
}

func (s sampler) draw(stream *keyed.Stream, n int, noise float64) *shard.Set {
	set := regression(n, s.inputs, s.outputs)
	y := make([]float64, s.outputs)
	for i := range n {
		x := set.Values[i*s.inputs:][:s.inputs]
		for j := range x {
			x[j] = float32(s.std * stream.Normal())
		}
		s.f(x, y)
		for o, v := range y {
			set.Targets[i*s.outputs+o] = float32(v + noisy(stream, noise))
		}
	}
	return set
}

func noisy(stream *keyed.Stream, std float64) float64 {
	if std == 0 {
		return 0
	}
	return float64(std * stream.Normal())
}

// Univariate is a function of one variable.
type Univariate int

// The functions of the experiments of PAPERS.md P5: sin 3x (U1), x and 10x (E5, P5.6).
const (
	Sin3X Univariate = iota
	X
	TenX
)

// String returns the name of the function as the spec spells it.
func (u Univariate) String() string {
	switch u {
	case Sin3X:
		return "sin_3x"
	case X:
		return "x"
	case TenX:
		return "10x"
	}
	return fmt.Sprintf("Univariate(%d)", int(u))
}

// At returns the function's value.
func (u Univariate) At(x float64) float64 {
	switch u {
	case Sin3X:
		sin, _ := detmath.SinCosTurns(float64(3*x) / (2 * math.Pi))
		return sin
	case TenX:
		return float64(10 * x)
	}
	return x
}

// Function is regression on a function of one variable, in equispaced points from -1 to 1 (one alone lies at -1), with noise
// of N(0, Noise^2).
type Function struct {
	Seed        uint64
	Train, Test int // points
	Of          Univariate
	Noise       float64
}

// Cost implements Source.
func (s Function) Cost() (values, products int64) { return int64(s.Train + s.Test), 0 }

func (s Function) make() (shard.Data, error) {
	stream := keyed.New(s.Seed, "synthetic/function", trainDraws)
	return shard.Data{Train: s.points(s.Train, func() float64 { return noisy(stream, s.Noise) }), Test: s.points(s.Test, func() float64 { return 0 })}, nil
}

func (s Function) points(n int, noise func() float64) *shard.Set {
	set := regression(n, 1, 1)
	for i := range n {
		x := float32(-1 + float64(2*i)/float64(max(1, n-1)))
		set.Values[i], set.Targets[i] = x, float32(s.Of.At(float64(x))+noise())
	}
	return set
}
