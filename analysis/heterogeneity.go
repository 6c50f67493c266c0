package analysis

import "fmt"

// Heterogeneity estimates zeta^2 = sum p_k ||g_k - gbar||^2 at one model, gbar = sum p_k g_k, from two halves of every
// shard's probe (M8): sum p_k <g_k^a - gbar^a, g_k^b - gbar^b>. The sampling noise of the halves is independent, so that it
// cancels in the mean, where the naive form counts it as heterogeneity. It takes the shards one by one and keeps 16 bytes for
// each number of a gradient, whatever the number of shards.
//
// Gradients are whole blocks, 0 at buffers, or sketches of them (see Sketch), in float32. The sums depend in their last bits
// on the order of the shards: add them in ascending order.
type Heterogeneity struct {
	a, b          []float64 // sum of p_k g_k^a and p_k g_k^b
	cross, square float64   // sum of p_k <g_k^a, g_k^b> and p_k ||g_k||^2
	weight        float64
}

// NewHeterogeneity returns an empty estimate for gradients (or sketches) of so many numbers.
func NewHeterogeneity(size int) *Heterogeneity {
	return &Heterogeneity{a: make([]float64, size), b: make([]float64, size)}
}

// Add takes one shard of positive weight (p_k up to a common factor) whose gradients on the first and second half of its
// probe are a and b.
func (h *Heterogeneity) Add(weight float64, a, b []float32) {
	if len(a) != len(h.a) || len(b) != len(h.b) || !(weight > 0) {
		panic(fmt.Sprintf("analysis: gradients of %d and %d numbers with weight %v, want %d", len(a), len(b), weight, len(h.a)))
	}
	cross, square := 0.0, 0.0
	for i, v := range a {
		x, y := float64(v), float64(b[i])
		h.a[i] += float64(weight * x)
		h.b[i] += float64(weight * y)
		cross += float64(x * y)
		whole := (x + y) / 2
		square += float64(whole * whole)
	}
	h.cross += float64(weight * cross)
	h.square += float64(weight * square)
	h.weight += weight
}

// SplitHalf returns the estimate of zeta^2, which may be negative; nil if no shard was added.
func (h *Heterogeneity) SplitHalf() *float64 {
	dot := 0.0
	for i, v := range h.a {
		dot += float64(v * h.b[i])
	}
	return h.centred(h.cross, dot)
}

// Naive returns sum p_k ||g_k - gbar||^2 over whole probes, which on IID shards is mostly sampling noise; nil if no shard was
// added.
func (h *Heterogeneity) Naive() *float64 {
	dot := 0.0
	for i, v := range h.a {
		whole := (v + h.b[i]) / 2
		dot += float64(whole * whole)
	}
	return h.centred(h.square, dot)
}

// centred returns the weighted mean of products minus the product of the weighted means.
func (h *Heterogeneity) centred(products, ofSums float64) *float64 {
	if h.weight == 0 {
		return nil
	}
	value := products/h.weight - ofSums/h.weight/h.weight
	return &value
}
