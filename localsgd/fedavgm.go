package localsgd

// FedAvgM is FedAvg with momentum on the server (Hsu et al. 2019; Reddi et al. 2021), as torch.optim.SGD takes the step
// with the pseudo-gradient start - mean:
//
//	v = Beta v + (start - mean),  next = start - LR v,  with Nesterov start - LR ((start - mean) + Beta v).
//
// With Beta 0 it is FedAvg, bit for bit.
type FedAvgM struct {
	LR, Beta float64 // Beta in [0, 1)
	Nesterov bool
}

// Name returns "fedavgm".
func (FedAvgM) Name() string { return "fedavgm" }

// TakesMean is true for LR 1 without momentum.
func (f FedAvgM) TakesMean() bool { return f.LR == 1 && f.Beta == 0 }

// State is the momentum v, none for Beta 0.
func (f FedAvgM) State() []StateBlock {
	if f.Beta == 0 {
		return nil
	}
	return []StateBlock{{Name: "momentum"}}
}

// Step implements Rule.
func (f FedAvgM) Step(s *ServerStep) {
	if f.Beta == 0 {
		moveBy(f.LR, s.Start, s.Next)
		return
	}
	momentum := s.State[0]
	for i, start := range s.Start {
		start := float64(start)
		g := start - float64(s.Next[i])
		v := float64(f.Beta*float64(momentum.Old[i])) + g
		momentum.New[i] = float32(v)
		if f.Nesterov {
			v = g + float64(f.Beta*v)
		}
		s.Next[i] = float32(start - float64(f.LR*v))
	}
}
