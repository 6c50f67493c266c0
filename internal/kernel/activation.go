package kernel

// ReLU replaces the negative numbers of x by slope times themselves; slope 0 gives +0. NaN stays NaN.
func ReLU[F Float](x []F, slope F) {
	if slope == 0 {
		for i, v := range x {
			if v <= 0 {
				x[i] = 0
			}
		}
		return
	}
	for i, v := range x {
		if v <= 0 {
			x[i] = v * slope
		}
	}
}

// ReLUGradient multiplies d by the derivative of ReLU where it gave y: slope where y <= 0 (also at 0, as in PyTorch),
// 1 elsewhere. The sign of y is that of the argument, because slopes are not negative.
func ReLUGradient[F Float](d, y []F, slope F) {
	d = d[:len(y)]
	if slope == 0 {
		for i, v := range y {
			if v <= 0 {
				d[i] = 0
			}
		}
		return
	}
	for i, v := range y {
		if v <= 0 {
			d[i] *= slope
		}
	}
}
