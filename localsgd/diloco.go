package localsgd

// DiLoCo is Douillard et al. 2023: FedAvgM with Nesterov's momentum, usually over AdamW as the local optimizer, whose state
// stays with the shard (Local.KeepState).
type DiLoCo struct {
	LR, Beta float64 // Beta in [0, 1)
}

func (d DiLoCo) outer() FedAvgM { return FedAvgM{LR: d.LR, Beta: d.Beta, Nesterov: true} }

// Name returns "diloco".
func (DiLoCo) Name() string { return "diloco" }

// TakesMean is true for LR 1 without momentum.
func (d DiLoCo) TakesMean() bool { return d.outer().TakesMean() }

// State is that of FedAvgM.
func (d DiLoCo) State() []StateBlock { return d.outer().State() }

// Step implements Rule.
func (d DiLoCo) Step(s *ServerStep) { d.outer().Step(s) }
