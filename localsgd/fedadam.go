package localsgd

// FedAdam is Reddi et al. 2021, Algorithm 2, with v = Beta2 v + (1 - Beta2) d^2 for the mean difference d.
type FedAdam struct {
	LR           float64
	Beta1, Beta2 float64 // in [0, 1)
	Tau          float64 // positive: the degree of adaptivity; v begins as its square
}

// Name returns "fedadam".
func (FedAdam) Name() string { return "fedadam" }

// TakesMean is false.
func (FedAdam) TakesMean() bool { return false }

// State is the two moments.
func (f FedAdam) State() []StateBlock { return adaptiveState(f.Tau) }

// Step implements Rule.
func (f FedAdam) Step(s *ServerStep) {
	adaptive{f.LR, f.Beta1, f.Tau, func(v, square float64) float64 {
		return float64(f.Beta2*v) + float64((1-f.Beta2)*square)
	}}.step(s)
}
