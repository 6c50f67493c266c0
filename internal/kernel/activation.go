package kernel

import "math"

// ReLU replaces the negative numbers of x by slope times themselves; slope 0 gives +0. NaN stays NaN. Like its
// gradient it has no branches in its loops: the signs of a layer's outputs cannot be predicted.
func ReLU[F Float](x []F, slope F) {
	if slope == 0 {
		x = x[rectifyVectors(x, nil):]
		for i, v := range x {
			x[i] = max(v, 0)
		}
		return
	}
	factor := [2]F{slope, 1}
	for i, v := range x {
		x[i] = F(v * factor[positive(v)])
	}
}

// ReLUGradient multiplies d by the derivative of ReLU where it gave y: slope where y <= 0 (also at 0, as in PyTorch),
// 1 elsewhere. The sign of y is that of the argument, because slopes are not negative. Slope 0 gives +0, whatever d is.
func ReLUGradient[F Float](d, y []F, slope F) {
	d = d[:len(y)]
	if slope == 0 {
		done := rectifyVectors(d, y)
		keepPositive(d[done:], y[done:])
		return
	}
	factor := [2]F{slope, 1}
	for i, v := range y {
		d[i] = F(d[i] * factor[positive(v)])
	}
}

// rectifyVectors does the whole vectors of ReLU of slope 0, or with y of its gradient, and returns how many numbers it did.
func rectifyVectors[F Float](x, y []F) int {
	v, ok := any(x).([]float32)
	use := inUse.Load()
	n := len(x) &^ 7
	if !ok || use.rectify == nil || n == 0 {
		return 0
	}
	if y == nil {
		use.rectify(v[:n])
	} else {
		use.rectified(v[:n], any(y).([]float32)[:n])
	}
	return n
}

// keepPositive sets d to +0 where y is 0 or below.
func keepPositive[F Float](d, y []F) {
	switch d := any(d).(type) {
	case []float32:
		for i, v := range any(y).([]float32) {
			d[i] = math.Float32frombits(math.Float32bits(d[i]) & -uint32(positive(v)))
		}
	case []float64:
		for i, v := range any(y).([]float64) {
			d[i] = math.Float64frombits(math.Float64bits(d[i]) & -uint64(positive(v)))
		}
	}
}

// positive returns 0 for v <= 0 and 1 for others, NaN among them.
func positive[F Float](v F) uint {
	if v <= 0 {
		return 0
	}
	return 1
}
