package activity

import (
	"math"

	"github.com/fedrelu/fedrelu/internal/detmath"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// entropyBins is the number of bins of the histogram of P4 4.1.
const entropyBins = 100

// Entropy returns the entropy of one example's outputs z of a layer as P4 defines it: shifted and scaled to [0, 1], counted
// in 100 bins, -sum p ln p + ln 100. It lies in [ln 100, ln 100 + ln min(len(z), 100)]; a constant vector has ln 100 (M16).
// ok is false if a value is NaN or infinite, or there is none.
func Entropy[F float32 | float64](z []F) (entropy float64, ok bool) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range z {
		x := float64(v)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return 0, false
		}
		low, high = min(low, x), max(high, x)
	}
	if len(z) == 0 {
		return 0, false
	}
	var counts [entropyBins]int
	for _, v := range z {
		bin := 0
		if high > low {
			bin = min(entropyBins-1, int(math.Floor(entropyBins*((float64(v)-low)/(high-low)))))
		}
		counts[bin]++
	}
	entropy = detmath.Log(entropyBins)
	for _, c := range counts {
		if c > 0 {
			p := float64(c) / float64(len(z))
			entropy -= float64(p * detmath.Log(p))
		}
	}
	return entropy, true
}

// LayerEntropy is the entropy of one activation.
type LayerEntropy struct {
	Name    string
	Entropy *float64 // mean over the batches of the mean over a batch's examples; nil where Reason says why
	Reason  string
}

// Entropies is a relu.Watcher that measures the entropy of every activation, over the batches as they come: those of
// training, for the curve of P4, or those of an evaluation (M16).
type Entropies struct {
	layers []entropyLayer
}

type entropyLayer struct {
	name     string
	sum      float64 // of the means of the batches
	batches  int
	infinite bool
}

// NewEntropies returns Entropies for machines of the network that have seen nothing.
func NewEntropies(net *relu.Network) *Entropies {
	e := &Entropies{}
	for _, a := range net.Activations() {
		e.layers = append(e.layers, entropyLayer{name: a.Name})
	}
	return e
}

// Activation implements relu.Watcher.
func (e *Entropies) Activation(i int, y []float32, n int) {
	l := &e.layers[i]
	sum, width := 0.0, len(y)/n
	for ; len(y) > 0; y = y[width:] {
		h, ok := Entropy(y[:width])
		if !ok {
			l.infinite = true
			return
		}
		sum += h
	}
	l.sum += sum / float64(n)
	l.batches++
}

// Layers returns the mean entropies over the batches so far.
func (e *Entropies) Layers() []LayerEntropy {
	var layers []LayerEntropy
	for _, l := range e.layers {
		h := LayerEntropy{Name: l.name}
		switch {
		case l.infinite:
			h.Reason = "an output is not finite"
		case l.batches == 0:
			h.Reason = "no batch was seen"
		default:
			mean := l.sum / float64(l.batches)
			h.Entropy = &mean
		}
		layers = append(layers, h)
	}
	return layers
}
