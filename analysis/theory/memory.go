package theory

import (
	"math"

	"github.com/fedrelu/fedrelu/internal/detmath"
)

// Memory is how the round's start is remembered after local steps with the learning rates of the steps, weight decay wd and
// FedProx's proximal weight gamma (0 for none).
type Memory struct {
	WeightDecay float64
	Proximal    float64
}

// Local returns the factor of the round's start in the parameters after steps of these learning rates, the data's gradients
// aside: the product of rho = 1 - lr wd, or with a proximal term c_H, which pulls towards the start: c <- (1 - lr (wd + gamma)) c +
// lr gamma (1.3 item 6c).
func (m Memory) Local(rates []float64) float64 {
	c := 1.0
	for _, lr := range rates {
		c = float64(c*(1-float64(lr*(m.WeightDecay+m.Proximal)))) + float64(lr*m.Proximal)
	}
	return c
}

// RoundDecay returns the factor of a round's start in the next model: sum p_k locals_k over the participants (weights p_k up to a
// common factor; 1.3 item 4), and with server learning rate s 1 - s (1 - that) (item 6a).
func RoundDecay(weights, locals []float64, server float64) float64 {
	sum, total := 0.0, 0.0
	for k, p := range weights {
		sum += float64(p * locals[k])
		total += p
	}
	return 1 - float64(server*(1-sum/total))
}

// Budget is the decay budget Lambda, the sum over local steps so far of lr wd (M13): the initial matrix is remembered as
// about exp(-Lambda) of itself.
type Budget float64

// Add counts a round: steps is the mean over the participants of the number of local steps, all of one learning rate.
func (b Budget) Add(lr, weightDecay, steps float64) Budget {
	return b + Budget(lr*weightDecay*steps)
}

// Onset returns Lambda_c(eps) = ln(sigma_{r_0/2}(W_0) / (eps ||W_t||_F)), where half of the initial eps-rank r_0 is gone (M13,
// P1.13): initial are the singular values of the first matrix in descending order, frobenius the norm now. r_0/2 is rounded up.
// nil with a reason where there is none.
func Onset(initial []float64, frobenius, eps float64) (lambda *float64, reason string) {
	square := 0.0
	for _, s := range initial {
		square += float64(s * s)
	}
	rank := 0
	for rank < len(initial) && initial[rank] > float64(eps*math.Sqrt(square)) {
		rank++
	}
	switch {
	case rank == 0:
		return nil, "the first matrix is 0"
	case !(frobenius > 0) || math.IsInf(frobenius, 1):
		return nil, "the matrix is 0 or not finite"
	}
	at := detmath.Log(initial[(rank+1)/2-1] / (eps * frobenius))
	return &at, ""
}

// Forgetting returns n = ceil(ln(2/eps) / (-ln rho)), the steps after which a matrix whose norm did not fall below half is
// forgotten up to eps; ok is false unless rho is in (0, 1) and eps in (0, 1).
func Forgetting(rho, eps float64) (n int, ok bool) {
	if !(rho > 0 && rho < 1 && eps > 0 && eps < 1) {
		return 0, false
	}
	steps := math.Ceil(detmath.Log(2/eps) / -detmath.Log(rho))
	if steps > math.MaxInt32 {
		return 0, false
	}
	return int(steps), true
}

// AverageBound returns m B K n, the bound on the eps-rank of the average for every H (7b Result A), without the matrix's sides.
func AverageBound(positions, batch, workers, n int) int { return positions * batch * workers * n }

// LocalBound returns m B (min(h, n) + K max(0, n-h)), the bound on the eps-rank of a local model after h steps of its round.
func LocalBound(positions, batch, workers, h, n int) int {
	return positions * batch * (min(h, n) + workers*max(0, n-h))
}
