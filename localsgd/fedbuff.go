package localsgd

import (
	"errors"

	"github.com/fedrelu/fedrelu/internal/detmath"
)

// FedBuff is Nguyen et al. 2022, Algorithm 1, buffered asynchronous averaging: shards train all the time, each from the
// newest model when it begins, and every Buffer updates that come in make the next model. An update that started tau rounds
// ago counts s(tau) = (1 + tau)^-Exponent, times After where tau is beyond Threshold; the discounts are not normalised away.
// With weights p_i of sum 1 over the buffer and each update's own start,
//
//	v = Beta v - sum_i p_i s(tau_i) (end_i - start_i),  next = model - LR v.
//
// Exponent 0 weights all alike up to Threshold, and with After 1 beyond it. FLSim divides s by its value at an average
// staleness, which is an LR times a constant. Where all updates are fresh, and shards count alike, this is FedAvgM bit for bit.
type FedBuff struct {
	LR, Beta     float64 // Beta in [0, 1)
	Buffer       int     // from 1, at most one update of each shard
	Exponent     float64 // the paper's a, 0..1
	Threshold    int
	After        float64 // in (0, 1]
	MaxStaleness int     // older updates are dropped, and their shards train anew
}

// Name returns "fedbuff".
func (FedBuff) Name() string { return "fedbuff" }

// TakesMean is false.
func (FedBuff) TakesMean() bool { return false }

// State is the momentum v, none for Beta 0.
func (f FedBuff) State() []StateBlock { return f.server().State() }

// Step implements Rule: Buffer has put model + sum p_i s(tau_i) (end_i - start_i) in the mean's place.
func (f FedBuff) Step(s *ServerStep) { f.server().Step(s) }

func (f FedBuff) server() FedAvgM { return FedAvgM{LR: f.LR, Beta: f.Beta} }

// Capacity implements Asynchronous.
func (f FedBuff) Capacity() int { return f.Buffer }

// Oldest implements Asynchronous.
func (f FedBuff) Oldest() int { return f.MaxStaleness }

// Discount implements Asynchronous: s(staleness).
func (f FedBuff) Discount(staleness int) float64 {
	if staleness == 0 {
		return 1
	}
	s := detmath.Pow(1+float64(staleness), -f.Exponent)
	if staleness > f.Threshold {
		s = float64(s * f.After)
	}
	return s
}

// Local implements LocalRule.
func (FedBuff) Local(l Local) (Local, error) {
	if l.KeepState || len(l.Personal) > 0 || l.FedBN {
		return l, errors.New("fedbuff goes with shards that keep nothing: not with keep_state, personal or fedbn")
	}
	return l, nil
}
