package norm

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// ErrNotUnivariate is wrapped where a network is not a shallow one of one input and one output.
var ErrNotUnivariate = errors.New("not a univariate shallow network")

// Univariate is f(x) = sum_k V_k rho(W_k x + B_k) + Skip x + Offset, where rho(t) is t for t > 0 and Slope t otherwise.
type Univariate struct {
	V, W, B      []float64
	Slope        float64
	HasSkip      bool // the network has a skip connection; Skip is 0 without one
	Skip, Offset float64
}

// NewUnivariate reads the parameters of a network of the shapes that relu.Shallow gives, with any biases present or absent.
// Others give ErrNotUnivariate.
func NewUnivariate(net *relu.Network, block []float32) (*Univariate, error) {
	layers, prefix := net.Layers(), ""
	u := new(Univariate)
	if len(layers) == 1 {
		if r, ok := layers[0].(relu.Residual); ok && len(r.Shortcut) == 1 {
			_, linear := r.Shortcut[0].(relu.Linear)
			layers, prefix, u.HasSkip = r.Body, "0.body.", linear
		}
	}
	if net.Inputs() != 1 || net.Outputs() != 1 || len(layers) != 3 || prefix != "" && !u.HasSkip {
		return nil, fmt.Errorf("%w: %d inputs, %d outputs, %d layers", ErrNotUnivariate, net.Inputs(), net.Outputs(), len(layers))
	}
	_, first := layers[0].(relu.Linear)
	activation, second := layers[1].(relu.ReLU)
	_, third := layers[2].(relu.Linear)
	if !first || !second || !third {
		return nil, fmt.Errorf("%w: layers %T, %T, %T", ErrNotUnivariate, layers[0], layers[1], layers[2])
	}
	u.Slope = activation.Slope
	u.read(net.Layout(), block, prefix)
	return u, nil
}

func (u *Univariate) read(layout *tensor.Layout, block []float32, prefix string) {
	values := func(name string, n int) []float64 {
		wide := make([]float64, n)
		if view, ok := layout.Lookup(name); ok {
			for i, v := range tensor.Of(block, view) {
				wide[i] = float64(v)
			}
		}
		return wide
	}
	weight, _ := layout.Lookup(prefix + "0.weight")
	width := weight.Shape[0]
	u.W, u.B = values(prefix+"0.weight", width), values(prefix+"0.bias", width)
	u.V, u.Offset = values(prefix+"2.weight", width), values(prefix+"2.bias", 1)[0]
	u.Skip = values("0.shortcut.0.weight", 1)[0]
	u.Offset += values("0.shortcut.0.bias", 1)[0]
}

// At returns f(x).
func (u *Univariate) At(x float64) float64 {
	y := float64(u.Skip*x) + u.Offset
	for k, w := range u.W {
		t := float64(w*x) + u.B[k]
		if t <= 0 {
			t = float64(u.Slope * t)
		}
		y += float64(u.V[k] * t)
	}
	return y
}

// PathNorm returns sum |v_k||w_k|; skip and offset do not count (M17).
func (u *Univariate) PathNorm() float64 {
	sum := 0.0
	for k, w := range u.W {
		sum += math.Abs(float64(u.V[k] * w))
	}
	return sum
}

// balanceFloor is the size of |v_k w_k| above which a unit counts in Balance (M17).
const balanceFloor = 1e-3

// Balance returns the median over units with |v_k w_k| > 1e-3 of ||v_k|-|w_k||/(|v_k|+|w_k|), which weight decay on v and w
// drives to 0 (P5.2); of an even number the mean of the middle two. nil if there is no such unit. Where biases are decayed too,
// withBias puts sqrt(w_k^2+b_k^2) in place of |w_k|.
func (u *Univariate) Balance(withBias bool) *float64 {
	var off []float64
	for k, w := range u.W {
		in, out := math.Abs(w), math.Abs(u.V[k])
		if !(float64(in*out) > balanceFloor) {
			continue
		}
		if withBias {
			in = math.Sqrt(float64(w*w) + float64(u.B[k]*u.B[k]))
		}
		off = append(off, math.Abs(out-in)/(out+in))
	}
	if len(off) == 0 {
		return nil
	}
	slices.Sort(off)
	median := (off[(len(off)-1)/2] + off[len(off)/2]) / 2
	return &median
}

// Knot is a place where the slope of f changes.
type Knot struct {
	At   float64
	Jump float64 // of f'
}

// Knots returns where units of f bend, ascending, with what they add up to: units that bend at the same place are one knot, whose
// jump may be 0. Units with w_k = 0 are constants and have none.
func (u *Univariate) Knots() []Knot {
	var all []Knot
	for k, w := range u.W {
		if w != 0 {
			all = append(all, Knot{-u.B[k] / w, float64(u.V[k] * math.Abs(w) * (1 - u.Slope))})
		}
	}
	slices.SortStableFunc(all, func(a, b Knot) int { return cmp.Compare(a.At, b.At) })
	var knots []Knot
	for _, k := range all {
		if last := len(knots) - 1; last >= 0 && knots[last].At == k.At {
			knots[last].Jump += k.Jump
			continue
		}
		knots = append(knots, k)
	}
	return knots
}

// Variation returns TV(f'), the sum of the absolute jumps over all knots on the line: at most |1-Slope| times the path norm,
// equal to it where units that share a knot have one sign (E1).
func Variation(knots []Knot) float64 {
	sum := 0.0
	for _, k := range knots {
		sum += math.Abs(k.Jump)
	}
	return sum
}

// Merge counts knots as the eye does (P5.5): neighbours at most apart from the first of their group become one knot, at the
// mean of their places weighted by their jumps' sizes; then those of at most share of the largest jump are dropped.
func Merge(knots []Knot, apart, share float64) []Knot {
	var merged []Knot
	for i := 0; i < len(knots); {
		first := knots[i].At
		var at, size, jump float64
		for ; i < len(knots) && knots[i].At-first <= apart; i++ {
			at += float64(math.Abs(knots[i].Jump) * knots[i].At)
			size += math.Abs(knots[i].Jump)
			jump += knots[i].Jump
		}
		if size > 0 {
			merged = append(merged, Knot{at / size, jump})
		}
	}
	largest := 0.0
	for _, k := range merged {
		largest = max(largest, math.Abs(k.Jump))
	}
	return slices.DeleteFunc(merged, func(k Knot) bool { return math.Abs(k.Jump) <= float64(share*largest) })
}
