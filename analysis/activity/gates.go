package activity

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// ErrPatterns is wrapped where patterns of gates are compared that were not recorded on the same inputs of one network.
var ErrPatterns = errors.New("patterns of gates do not fit together")

// Pattern is which gates were open: for each gated activation one bit an output element and example.
type Pattern []Gates

// Gates are the gates of one activation.
type Gates struct {
	Name string // of the activation
	N    int    // elements: outputs times examples
	bits []uint64
}

// Open tells whether gate i is open, counting outputs of the first example, then of the next.
func (g *Gates) Open(i int) bool { return g.bits[i/64]>>(i%64)&1 == 1 }

func (g *Gates) add(y []float32) {
	for _, v := range y {
		if g.N%64 == 0 {
			g.bits = append(g.bits, 0)
		}
		if v > 0 {
			g.bits[g.N/64] |= 1 << (g.N % 64)
		}
		g.N++
	}
}

// Recorder is a relu.Watcher that keeps the gates that it sees, a bit for each.
type Recorder struct {
	pattern Pattern
	at      []int // of each activation its place in pattern, -1 without gates
}

// NewRecorder returns a Recorder for machines of the network.
func NewRecorder(net *relu.Network) *Recorder {
	r := &Recorder{}
	for _, a := range net.Activations() {
		if !a.Gated {
			r.at = append(r.at, -1)
			continue
		}
		r.at = append(r.at, len(r.pattern))
		r.pattern = append(r.pattern, Gates{Name: a.Name})
	}
	return r
}

// Activation implements relu.Watcher.
func (r *Recorder) Activation(i int, y []float32, _ int) {
	if at := r.at[i]; at >= 0 {
		r.pattern[at].add(y)
	}
}

// Take returns what was recorded since the last Take, over any number of batches, and begins anew.
func (r *Recorder) Take() Pattern {
	taken := r.pattern
	r.pattern = make(Pattern, len(taken))
	for i, g := range taken {
		r.pattern[i].Name = g.Name
	}
	return taken
}

// Flip is how many gates of one activation differ between two models (M7).
type Flip struct {
	Name     string
	Fraction float64 // of the elements
}

// Flips compares two patterns that were recorded on the same inputs at two models. It fails with ErrPatterns if they have
// other shapes, or are of no example.
func Flips(a, b Pattern) ([]Flip, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("%w: %d and %d activations", ErrPatterns, len(a), len(b))
	}
	flips := make([]Flip, len(a))
	for i := range a {
		if a[i].N != b[i].N || a[i].N == 0 || a[i].Name != b[i].Name {
			return nil, fmt.Errorf("%w: activation %s with %d elements, %s with %d", ErrPatterns, a[i].Name, a[i].N, b[i].Name, b[i].N)
		}
		differ := 0
		for w, word := range a[i].bits {
			differ += bits.OnesCount64(word ^ b[i].bits[w])
		}
		flips[i] = Flip{a[i].Name, float64(differ) / float64(a[i].N)}
	}
	return flips, nil
}

// MeanFlips returns the weighted mean of the flips of several shards, in the order given (M19: p_k up to a common factor,
// positive). It fails with ErrPatterns if there is none or they are of different activations.
func MeanFlips(weights []float64, shards [][]Flip) ([]Flip, error) {
	if len(shards) == 0 || len(weights) != len(shards) {
		return nil, fmt.Errorf("%w: %d shards with %d weights", ErrPatterns, len(shards), len(weights))
	}
	total := 0.0
	mean := make([]Flip, len(shards[0]))
	for k, flips := range shards {
		if len(flips) != len(mean) || !(weights[k] > 0) {
			return nil, fmt.Errorf("%w: shard %d of weight %v has %d activations, want %d", ErrPatterns, k, weights[k], len(flips), len(mean))
		}
		total += weights[k]
		for i, f := range flips {
			mean[i].Name = f.Name
			mean[i].Fraction += float64(weights[k] * f.Fraction)
		}
	}
	for i := range mean {
		mean[i].Fraction /= total
	}
	return mean, nil
}

// Agreement is how many gates of one activation are equal at two models, on average over pairs of models (M15).
type Agreement struct {
	Name     string
	Fraction float64
}

// Agree compares the patterns of at least two local models, all recorded on the same inputs (the probes of all of them, one
// after the other), over all pairs. It fails with ErrPatterns as Flips does, or if there are fewer than two.
func Agree(patterns []Pattern) ([]Agreement, error) {
	if len(patterns) < 2 {
		return nil, fmt.Errorf("%w: %d models, want at least two", ErrPatterns, len(patterns))
	}
	mean := make([]Agreement, len(patterns[0]))
	pairs := float64(len(patterns) * (len(patterns) - 1) / 2)
	for i, a := range patterns {
		for _, b := range patterns[i+1:] {
			flips, err := Flips(a, b)
			if err != nil {
				return nil, err
			}
			for j, f := range flips {
				mean[j].Name = f.Name
				mean[j].Fraction += (1 - f.Fraction) / pairs
			}
		}
	}
	return mean, nil
}
