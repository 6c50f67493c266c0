package localsgd

import "github.com/fedrelu/fedrelu/internal/kernel"

// FedAvg is McMahan et al. 2017, Algorithm 1, with a server learning rate: next = start + LR (mean - start). With LR 1
// it takes the mean itself.
type FedAvg struct{ LR float64 }

// Name returns "fedavg".
func (FedAvg) Name() string { return "fedavg" }

// TakesMean is true for LR 1.
func (f FedAvg) TakesMean() bool { return f.LR == 1 }

// State returns nil.
func (FedAvg) State() []StateBlock { return nil }

// Step implements Rule.
func (f FedAvg) Step(s *ServerStep) { moveBy(f.LR, s.Start, s.Next) }

// StepFloat64 implements PreciseRule.
func (f FedAvg) StepFloat64(start, next []float64) { moveBy(f.LR, start, next) }

// moveBy makes start + lr (next - start) of next; with lr 1 it leaves next as it is.
func moveBy[F kernel.Float](lr float64, start, next []F) {
	if lr == 1 {
		return
	}
	next = next[:len(start)]
	for i, s := range start {
		s := float64(s)
		next[i] = F(s + float64(lr*(float64(next[i])-s)))
	}
}
