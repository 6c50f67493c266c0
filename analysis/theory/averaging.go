package theory

import (
	"math"

	"github.com/fedrelu/fedrelu/internal/detmath"
)

// Crossover returns eps* = (a/F) K^(-K/(K-1)) (7b Result D): above it averaging lowers the eps-rank, below it raises it. a is the
// size lr ||delta|| ||f|| / B of one sample's update, F the matrix's Frobenius norm. nil with a reason where there is none.
func Crossover(a, frobenius float64, workers int) (eps *float64, reason string) {
	switch {
	case workers < 2:
		return nil, "one worker averages nothing"
	case !(a > 0 && frobenius > 0):
		return nil, "the updates or the matrix are 0"
	}
	k := float64(workers)
	at := float64(a / frobenius * detmath.Pow(k, -k/(k-1)))
	return &at, ""
}

// Dynamics is training under random gradients of independent directions (7b Result C).
type Dynamics struct {
	Workers, Steps, Batch int     // K, H, B
	Rho                   float64 // in (0, 1)
}

// AverageRank returns the law K B #{j >= 0: rho^j > eps sqrt(K B / (1-rho^2))} for the eps-rank of the average, where K samples'
// updates have the norms rho^j/K.
func (d Dynamics) AverageRank(eps float64) int {
	k, b := float64(d.Workers), float64(d.Batch)
	return d.Workers * d.Batch * d.above(float64(eps*math.Sqrt(k*b/(1-float64(d.Rho*d.Rho)))), 0, math.MaxInt)
}

// LocalRank returns the law for a local model at the end of a round:
// B #{j < H: rho^j > eps phi} + K B #{j >= H: rho^j/K > eps phi}, phi^2 = B/(1-rho^2) (1 - (1-1/K) rho^(2H)).
func (d Dynamics) LocalRank(eps float64) int {
	k, b := float64(d.Workers), float64(d.Batch)
	older := float64((1 - 1/k) * detmath.Pow(d.Rho, float64(2*d.Steps)))
	threshold := float64(eps * math.Sqrt(b/(1-float64(d.Rho*d.Rho))*(1-older)))
	return d.Batch*d.above(threshold, 0, d.Steps) + d.Workers*d.Batch*d.above(float64(k*threshold), d.Steps, math.MaxInt)
}

// above counts the j in [from, to) with rho^j > threshold.
func (d Dynamics) above(threshold float64, from, to int) int {
	n := 0
	power := detmath.Pow(d.Rho, float64(from))
	for j := from; j < to && power > threshold; j++ {
		n++
		power = float64(power * d.Rho)
	}
	return n
}

// Cancellation returns kappa = sum p_k ||W_k|| / ||mean|| >= 1 (1.3 item 5), how much averaging cancels; weights are up to a common
// factor. nil if the mean is 0.
func Cancellation(weights, norms []float64, mean float64) *float64 {
	if mean == 0 {
		return nil
	}
	sum, total := 0.0, 0.0
	for k, p := range weights {
		sum += float64(p * norms[k])
		total += p
	}
	kappa := sum / total / mean
	return &kappa
}
