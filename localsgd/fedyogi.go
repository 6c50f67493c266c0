package localsgd

// FedYogi is Reddi et al. 2021, Algorithm 2, with v = v - (1 - Beta2) d^2 sign(v - d^2) for the mean difference d: v
// moves towards d^2 by steps that do not depend on how far away it is.
type FedYogi struct {
	LR           float64
	Beta1, Beta2 float64 // in [0, 1)
	Tau          float64 // positive: the degree of adaptivity; v begins as its square
}

// Name returns "fedyogi".
func (FedYogi) Name() string { return "fedyogi" }

// TakesMean is false.
func (FedYogi) TakesMean() bool { return false }

// State is the two moments.
func (f FedYogi) State() []StateBlock { return adaptiveState(f.Tau) }

// Step implements Rule.
func (f FedYogi) Step(s *ServerStep) {
	adaptive{f.LR, f.Beta1, f.Tau, func(v, square float64) float64 {
		switch by := float64((1 - f.Beta2) * square); {
		case v > square:
			return v - by
		case v < square:
			return v + by
		}
		return v
	}}.step(s)
}
