package averaging

import "fmt"

// Mean is the weighted mean of blocks that come one after the other. It keeps 8 bytes for each number.
type Mean struct {
	sum    []float64
	weight float64
}

// NewMean returns an empty mean of blocks of so many numbers.
func NewMean(size int) *Mean { return &Mean{sum: make([]float64, size)} }

// Add takes a block of positive weight, up to a common factor.
func (m *Mean) Add(weight float64, block []float32) {
	if len(block) != len(m.sum) || !(weight > 0) {
		panic(fmt.Sprintf("averaging: block of %d numbers and weight %v in a mean of %d", len(block), weight, len(m.sum)))
	}
	m.weight += weight
	for i, v := range block {
		m.sum[i] += float64(weight * float64(v))
	}
}

// Write writes the mean of the blocks so far to dst.
func (m *Mean) Write(dst []float32) {
	for i, v := range m.sum {
		dst[i] = float32(v / m.weight)
	}
}

// divergence returns V = sum p_k ||model_k - mean||^2 over the parameters that keep selects, p_k the weights scaled to sum 1 (M6).
func divergence(weights []float64, models [][]float32, mean []float32, keep []bool) float64 {
	total, v := 0.0, 0.0
	for k, model := range models {
		square := 0.0
		for i, x := range model {
			if d := float64(x) - float64(mean[i]); keep[i] {
				square += float64(d * d)
			}
		}
		v += float64(weights[k] * square)
		total += weights[k]
	}
	return v / total
}
