package localsgd

// FedAdagrad is Reddi et al. 2021, Algorithm 2, with v = v + d^2 for the mean difference d.
type FedAdagrad struct {
	LR    float64
	Beta1 float64 // in [0, 1)
	Tau   float64 // positive: the degree of adaptivity; v begins as its square
}

// Name returns "fedadagrad".
func (FedAdagrad) Name() string { return "fedadagrad" }

// TakesMean is false.
func (FedAdagrad) TakesMean() bool { return false }

// State is the two moments.
func (f FedAdagrad) State() []StateBlock { return adaptiveState(f.Tau) }

// Step implements Rule.
func (f FedAdagrad) Step(s *ServerStep) {
	adaptive{f.LR, f.Beta1, f.Tau, func(v, square float64) float64 { return v + square }}.step(s)
}
