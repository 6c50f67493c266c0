package localsgd

import "github.com/fedrelu/fedrelu/internal/detmath"

// LRSchedule is how the learning rate goes over the rounds, each a step of the PyTorch scheduler of the same name. All
// steps of a round have one rate. nil is a constant rate.
type LRSchedule interface {
	// Rate returns the learning rate of a round, from 1, where lr is that of round 1.
	Rate(lr float64, round int) float64
}

// StepLR multiplies the rate by Gamma after every Size rounds.
type StepLR struct {
	Size  int // from 1
	Gamma float64
}

// Rate implements LRSchedule.
func (s StepLR) Rate(lr float64, round int) float64 {
	return float64(lr * powerOf(s.Gamma, (round-1)/s.Size))
}

// ExponentialLR multiplies the rate by Gamma after every round.
type ExponentialLR struct {
	Gamma float64
}

// Rate implements LRSchedule.
func (s ExponentialLR) Rate(lr float64, round int) float64 {
	return float64(lr * powerOf(s.Gamma, round-1))
}

// CosineLR goes from lr down to Min along half a period of the cosine, in Rounds rounds, and then stays there (where
// PyTorch's CosineAnnealingLR would climb again).
type CosineLR struct {
	Rounds int // from 1
	Min    float64
}

// Rate implements LRSchedule.
func (s CosineLR) Rate(lr float64, round int) float64 {
	turns := float64(min(round-1, s.Rounds)) / float64(2*s.Rounds)
	_, cos := detmath.SinCosTurns(turns)
	return s.Min + float64((lr-s.Min)*((1+cos)/2))
}

// Warmup multiplies the rates of the first Rounds rounds by a factor that rises in equal steps from Start, in round 1, to 1.
type Warmup struct {
	Rounds int // 0 is no warm-up
	Start  float64
}

// Factor returns the factor of a round.
func (w Warmup) Factor(round int) float64 {
	if round > w.Rounds {
		return 1
	}
	return w.Start + float64((1-w.Start)*(float64(round-1)/float64(w.Rounds)))
}

// RateIn returns the learning rate of the steps of a round.
func (l *Local) RateIn(round int) float64 { return l.rate(l.LR(), round) }

// rate returns a round's learning rate.
func (l *Local) rate(lr float64, round int) float64 {
	if l.Rates != nil {
		lr = l.Rates.Rate(lr, round)
	}
	return float64(lr * l.Warmup.Factor(round))
}

// powerOf returns x^n for n >= 0 by repeated squaring, whose roundings are the same everywhere.
func powerOf(x float64, n int) float64 {
	p := 1.0
	for ; n > 0; n /= 2 {
		if n%2 == 1 {
			p = float64(p * x)
		}
		x = float64(x * x)
	}
	return p
}
