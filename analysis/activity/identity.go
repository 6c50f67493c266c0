package activity

import (
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/detmath"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Identity is how far a square layer x -> W x + b is from the identity (P2 2.4).
type Identity struct {
	Name      string  // of the layer
	Spectral  float64 // ||W - I||_2
	Frobenius float64 // ||W - I||_F
	Bias      float64 // ||b||_2, 0 without a bias
}

// Depth is P2's sufficient condition for convergence with depth: W_n = I + P_n with sums that stay bounded.
type Depth struct {
	Layers []Identity // hidden layers from the second on, n = 2, 3, ...
	SumP   float64    // sum ||P_n||_2
	SumB   float64    // sum ||b_n||_2
	Reason string     // not empty: the network is not of this form, and why; the rest is empty
}

// MeasureDepth measures a network of the form of P2: linear, ReLU, linear, ReLU, ..., all hidden layers of one width, and any
// linear layer at the end. w is scratch memory. A block that is not finite gives analysis.ErrNotFinite.
func MeasureDepth(w *analysis.Workspace, net *relu.Network, block []float32) (Depth, error) {
	linear, reason := chain(net)
	if reason != "" {
		return Depth{Reason: reason}, nil
	}
	var d Depth
	for _, index := range linear[1:] {
		layer, err := identity(w, net.Layout(), block, index)
		if err != nil {
			return Depth{}, err
		}
		d.Layers = append(d.Layers, layer)
		d.SumP += layer.Spectral
		d.SumB += layer.Bias
	}
	return d, nil
}

// chain returns the indices of the hidden linear layers of a network of P2's form.
func chain(net *relu.Network) (linear []int, reason string) {
	layers := net.Layers()
	width := 0
	for i := 0; i+1 < len(layers); i += 2 {
		l, ok := layers[i].(relu.Linear)
		if !ok {
			return nil, fmt.Sprintf("layer %d is not linear", i)
		}
		if a, ok := layers[i+1].(relu.ReLU); !ok || a.Slope != 0 {
			return nil, fmt.Sprintf("layer %d is not a relu of slope 0", i+1)
		}
		if i == 0 {
			width = l.Out
		}
		if l.Out != width || i > 0 && l.In != width {
			return nil, fmt.Sprintf("layer %d is %d x %d, the first hidden layer has %d units", i, l.Out, l.In, width)
		}
		linear = append(linear, i)
	}
	if len(linear) < 2 {
		return nil, "fewer than two hidden layers"
	}
	return linear, ""
}

func identity(w *analysis.Workspace, layout *tensor.Layout, block []float32, index int) (Identity, error) {
	layer := Identity{Name: fmt.Sprint(index)}
	weight, _ := layout.Lookup(layer.Name + ".weight")
	n := weight.Shape[0]
	p := append([]float32(nil), tensor.Of(block, weight)...)
	for i := range n {
		p[i*n+i]-- // exact for weights in [1/2, 2], rounded once otherwise
	}
	s, err := w.Values(p, n, n)
	if err != nil {
		return Identity{}, fmt.Errorf("distance of layer %s from the identity: %w", layer.Name, err)
	}
	layer.Spectral, layer.Frobenius = s[0], analysis.Frobenius(s)
	if bias, ok := layout.Lookup(layer.Name + ".bias"); ok {
		sum := 0.0
		for _, v := range tensor.Of(block, bias) {
			sum += float64(float64(v) * float64(v))
		}
		layer.Bias = math.Sqrt(sum)
	}
	return layer, nil
}

// Tails returns for n = 1, 2, ... the bound on how far the state x_n is from that after the last layer, for an input whose
// first state has the norm first (P2 2.4): M sum_{k>n} ||P_k|| + sum_{k>n} ||b_k|| with
// M = exp(sum ||P_k||) (first + sum ||b_k||). Nothing if there is a Reason.
func (d Depth) Tails(first float64) []float64 {
	if d.Reason != "" {
		return nil
	}
	m := float64(detmath.Exp(d.SumP) * (first + d.SumB))
	tails := make([]float64, len(d.Layers)+1)
	for i := len(d.Layers) - 1; i >= 0; i-- {
		tails[i] = tails[i+1] + float64(m*d.Layers[i].Spectral) + d.Layers[i].Bias
	}
	return tails
}
