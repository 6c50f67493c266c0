package synthetic

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/detmath"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Gaussian is classes around points (PAPERS.md P1, experiment X2): the mean of each class of N(0, Spread^2) in each entry, its
// examples of N(mean, Noise^2). Example i has class i modulo Classes, so that all are equally frequent, to one.
type Gaussian struct {
	Seed            uint64
	Train, Test     int // examples
	Inputs, Classes int
	Spread, Noise   float64
}

// Cost implements Source.
func (s Gaussian) Cost() (values, products int64) {
	return (int64(s.Train+s.Test) + int64(s.Classes)) * int64(s.Inputs), 0
}

func (s Gaussian) make() (shard.Data, error) {
	means := make([]float64, s.Classes*s.Inputs)
	normals(keyed.New(s.Seed, "synthetic/gaussian", truth), means, s.Spread)
	draw := func(part uint64, n int) *shard.Set {
		stream := keyed.New(s.Seed, "synthetic/gaussian", part)
		set := classification(n, s.Inputs, s.Classes)
		for i := range n {
			c := i % s.Classes
			set.Labels[i] = int32(c)
			for j, mean := range means[c*s.Inputs:][:s.Inputs] {
				set.Values[i*s.Inputs+j] = float32(mean + float64(s.Noise*stream.Normal()))
			}
		}
		return set
	}
	return shard.Data{Train: draw(trainDraws, s.Train), Test: draw(testDraws, s.Test)}, nil
}

// FedProx is synthetic(alpha, beta) of Li et al. 2020 (MLSys), after the authors' generator: devices of unequal sizes, each
// with a softmax regression of its own.
//
// Device k has floor(e^(4 + 2 z)) + 50 examples, z standard normal (a log-normal law, which the paper calls a power law), of
// which the first nine tenths, rounded down, train and the others test. It draws u_k of N(0, Alpha^2) and B_k of N(0, Beta^2),
// then its weights W_k [Inputs, Classes] and biases b_k of N(u_k, 1), and the mean v_k of its inputs of N(B_k, 1) in each entry.
// Its inputs are of N(v_k, S), S diagonal with j^-1.2 for entry j from 1, and their label is the class of the largest
// x W_k + b_k (the lowest of equal ones). IID: one W and b of N(0, 1) for all devices, and v_k = B_k in every entry.
//
// Examples stand device by device in both sets; the groups of the training set are the devices.
type FedProx struct {
	Seed            uint64
	Alpha, Beta     float64 // standard deviations; 0 and more
	IID             bool
	Devices         int
	Inputs, Classes int
}

// The streams of FedProx, for each device but sizes and the model of all.
const (
	deviceSizes uint64 = iota
	globalModel
	deviceModel
	deviceExamples
)

// Cost implements Source. The numbers of examples are drawn; at least 50 a device.
func (s FedProx) Cost() (values, products int64) {
	return s.cost(50 * int64(s.Devices))
}

func (s FedProx) cost(examples int64) (values, products int64) {
	return examples * int64(s.Inputs), examples * int64(s.Inputs) * int64(s.Classes)
}

// sizes draws how many examples each device has. It stops at a number that no run could use.
func (s FedProx) sizes() (sizes []int, train, test int, err error) {
	stream := keyed.New(s.Seed, "synthetic/fedprox", deviceSizes)
	for range s.Devices {
		drawn := detmath.Exp(4 + float64(2*stream.Normal()))
		n := 50 + int(math.Floor(min(drawn, MaxValues)))
		sizes = append(sizes, n)
		train += n * 9 / 10
		test += n - n*9/10
		if values, products := s.cost(int64(train + test)); values > MaxValues || products > MaxProducts {
			return nil, 0, 0, fmt.Errorf("%w: %d of %d devices have drawn %d examples of %d values already, want at most %d values and %d multiplications",
				shard.ErrData, len(sizes), s.Devices, train+test, s.Inputs, MaxValues, int64(MaxProducts))
		}
	}
	return sizes, train, test, nil
}

func (s FedProx) make() (shard.Data, error) {
	sizes, train, test, err := s.sizes()
	if err != nil {
		return shard.Data{}, err
	}
	data := shard.Data{Train: classification(train, s.Inputs, s.Classes), Test: classification(test, s.Inputs, s.Classes)}
	data.Train.Groups = make([]int32, train)
	into := map[bool]*place{true: {set: data.Train}, false: {set: data.Test}}
	for k, n := range sizes {
		d := s.device(uint64(k))
		stream := keyed.New(s.Seed, "synthetic/fedprox", deviceExamples, uint64(k))
		for i := range n {
			p := into[i < n*9/10]
			if p.set.Groups != nil {
				p.set.Groups[p.next] = int32(k)
			}
			d.example(stream, p)
		}
	}
	return data, nil
}

// place is the next example of a set.
type place struct {
	set  *shard.Set
	next int
}

// device is what the examples of a device come from.
type device struct {
	weights []float64 // [Classes, Inputs]
	biases  []float64
	mean    []float64
	std     []float64
}

func (s FedProx) device(k uint64) *device {
	stream := keyed.New(s.Seed, "synthetic/fedprox", deviceModel, k)
	u, b := float64(s.Alpha*stream.Normal()), float64(s.Beta*stream.Normal())
	d := &device{
		weights: make([]float64, s.Classes*s.Inputs), biases: make([]float64, s.Classes),
		mean: make([]float64, s.Inputs), std: make([]float64, s.Inputs),
	}
	width := 1.0
	if s.IID {
		width = 0
	}
	around(stream, d.mean, b, width)
	if s.IID {
		stream, u = keyed.New(s.Seed, "synthetic/fedprox", globalModel), 0
	}
	around(stream, d.weights, u, 1)
	around(stream, d.biases, u, 1)
	for j := range d.std {
		d.std[j] = math.Sqrt(detmath.Pow(float64(j+1), -1.2))
	}
	return d
}

// around fills dst with draws of N(mean, std^2).
func around(stream *keyed.Stream, dst []float64, mean, std float64) {
	normals(stream, dst, std)
	for i := range dst {
		dst[i] += mean
	}
}

// example draws the next example of a set.
func (d *device) example(stream *keyed.Stream, p *place) {
	x := p.set.Values[p.next*len(d.mean):][:len(d.mean)]
	for j := range x {
		x[j] = float32(d.mean[j] + float64(d.std[j]*stream.Normal()))
	}
	label, best := 0, math.Inf(-1)
	for c, bias := range d.biases {
		if v := bias + dot(d.weights[c*len(x):][:len(x)], x); v > best {
			label, best = c, v
		}
	}
	p.set.Labels[p.next] = int32(label)
	p.next++
}
