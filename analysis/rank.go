package analysis

import "math"

// The functions of this file take the singular values s of a matrix, not negative and in descending order, as
// Workspace.Values returns them. ||s|| is the Frobenius norm of the matrix. For s = 0 all of them return 0 (M9).

// Frobenius returns ||s||, the Frobenius norm of the matrix.
func Frobenius(s []float64) float64 { return math.Sqrt(sumSquares(s)) }

// EpsRank returns the number of singular values of W/||W|| above eps: #{s_i > eps ||s||} (M9).
func EpsRank(s []float64, eps float64) int {
	threshold := eps * Frobenius(s)
	n := 0
	for n < len(s) && s[n] > threshold {
		n++
	}
	return n
}

// StableRank returns ||s||^2 / s_1^2, between 1 and the rank (M9).
func StableRank(s []float64) float64 {
	if isZero(s) {
		return 0
	}
	return sumSquares(s) / (s[0] * s[0])
}

// EffectiveRank returns exp(-sum q_i ln q_i) with q_i = s_i^2/||s||^2, between 1 and the rank: the exponential of the
// entropy of the energies (M9). It is not the form of Roy and Vetterli, see RoyVetterliRank.
func EffectiveRank(s []float64) float64 {
	total := sumSquares(s)
	return perplexity(s, func(v float64) float64 { return v * v / total })
}

// RoyVetterliRank returns exp(-sum q_i ln q_i) with q_i = s_i/sum s, between EffectiveRank and the rank: the effective rank as
// Roy and Vetterli (2007) define it, of the singular values themselves.
func RoyVetterliRank(s []float64) float64 {
	total := 0.0
	for _, v := range s {
		total += v
	}
	return perplexity(s, func(v float64) float64 { return v / total })
}

// perplexity returns the exponential of the entropy of the shares of singular values.
func perplexity(s []float64, share func(v float64) float64) float64 {
	if isZero(s) {
		return 0
	}
	entropy := 0.0
	for _, v := range s {
		if q := share(v); q > 0 {
			entropy -= q * math.Log(q)
		}
	}
	return math.Exp(entropy)
}

// Energy returns the part of ||s||^2 that is in the first k singular values, in [0, 1] (M9).
func Energy(s []float64, k int) float64 {
	if isZero(s) || k <= 0 {
		return 0
	}
	return sumSquares(s[:min(k, len(s))]) / sumSquares(s)
}

func isZero(s []float64) bool { return len(s) == 0 || s[0] == 0 }

// sumSquares cannot overflow or vanish here: float32 values squared lie well inside float64.
func sumSquares(s []float64) float64 {
	sum := 0.0
	for _, v := range s {
		sum += v * v
	}
	return sum
}
