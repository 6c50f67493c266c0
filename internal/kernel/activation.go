package kernel

// ReLU replaces the negative numbers of x by slope times themselves; slope 0 gives +0. NaN stays NaN. Like its
// gradient it has no branches in its loops: the signs of a layer's outputs cannot be predicted.
func ReLU[F Float](x []F, slope F) {
	if slope == 0 {
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
// 1 elsewhere. The sign of y is that of the argument, because slopes are not negative. A zero may come out as -0, which no
// sum in this package tells from +0.
func ReLUGradient[F Float](d, y []F, slope F) {
	d = d[:len(y)]
	factor := [2]F{slope, 1}
	for i, v := range y {
		d[i] = F(d[i] * factor[positive(v)])
	}
}

// positive returns 0 for v <= 0 and 1 for others, NaN among them.
func positive[F Float](v F) uint {
	if v <= 0 {
		return 0
	}
	return 1
}
