package localsgd

import (
	"fmt"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// Rule makes the next model from a round's start and the exact mean of its updates: the server step. A Rule has no
// hidden state.
type Rule interface {
	// Name is the rule's key in a spec.
	Name() string
	// TakesMean tells whether the next model is the mean itself, so that start may be given up.
	TakesMean() bool
	// Step turns next, which holds the mean, into the next model. start is only read.
	Step(start, next []float32)
}

// PreciseRule is a Rule that also works on float64 models, see RunnerIn.
type PreciseRule interface {
	Rule
	// StepFloat64 is Step in float64.
	StepFloat64(start, next []float64)
}

// FedAvg is McMahan et al. 2017, Algorithm 1, with a server learning rate: next = start + LR (mean - start). With LR 1
// it takes the mean itself.
type FedAvg struct{ LR float64 }

// Name returns "fedavg".
func (FedAvg) Name() string { return "fedavg" }

// TakesMean is true for LR 1.
func (f FedAvg) TakesMean() bool { return f.LR == 1 }

// Step implements Rule. The arithmetic is in float64, rounded once.
func (f FedAvg) Step(start, next []float32) { serverStep(f, start, next) }

// StepFloat64 implements PreciseRule.
func (f FedAvg) StepFloat64(start, next []float64) { serverStep(f, start, next) }

func serverStep[F kernel.Float](f FedAvg, start, next []F) {
	if f.TakesMean() {
		return
	}
	if len(start) != len(next) {
		panic(fmt.Sprintf("localsgd: step from %d to %d parameters", len(start), len(next)))
	}
	for i, s := range start {
		s := float64(s)
		next[i] = F(s + float64(f.LR*(float64(next[i])-s)))
	}
}
