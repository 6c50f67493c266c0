package localsgd

import "errors"

// FedNova is Wang et al. 2020: differences are normalised by how much of the gradient went into them, a_i (Job.Span), so
// that shards which make more steps do not pull the model to their own optimum. With weights p_i of sum 1, local steps
// tau_i and the shards' ends,
//
//	next = start - LR tau_eff sum_i p_i (start - end_i) / a_i,  tau_eff = sum_i p_i a_i, under FedProx sum_i p_i tau_i.
//
// It takes the exact mean with the weights p_i / a_i, and scales its difference.
type FedNova struct{ LR float64 }

// Name returns "fednova".
func (FedNova) Name() string { return "fednova" }

// TakesMean is false.
func (FedNova) TakesMean() bool { return false }

// State returns nil.
func (FedNova) State() []StateBlock { return nil }

// Step implements Rule.
func (f FedNova) Step(s *ServerStep) {
	moveBy(float64(f.LR*f.scale(s)), s.Start, s.Next)
}

// scale returns tau_eff sum_i p_i/a_i over those who answered: the mean with the weights p_i/a_i has divided by that sum.
func (f FedNova) scale(s *ServerStep) float64 {
	var total, effective, inverse float64
	shares := novaWeights(s.Job, s.Plan, s.Weighting)
	at := 0
	for i, task := range s.Plan.Tasks {
		if at == len(s.Answered) || s.Answered[at].Shard != task.Shard {
			continue
		}
		at++
		span := s.Job.Span(s.Plan.Task(i))
		steps := span
		if s.Job.Local.ProxMu != 0 {
			steps = float64(s.Job.Steps(s.Plan.Task(i)))
		}
		total += shares[i]
		effective += float64(shares[i] * steps)
		inverse += shares[i] / span
	}
	return effective / total * inverse / total
}

// novaWeights returns the p_i of a plan's tasks, in any unit.
func novaWeights(job *Job, plan Plan, w Weighting) []float64 {
	shares := make([]float64, len(plan.Tasks))
	for i, n := range job.Examples(plan.Shards()) {
		shares[i] = 1
		if w == ByExamples {
			shares[i] = float64(n)
		}
	}
	return shares
}

// Weigh implements Weigher: p_i / a_i, normalised.
func (FedNova) Weigh(job *Job, plan Plan, w Weighting) []Weight {
	shares := novaWeights(job, plan, w)
	total := 0.0
	for i := range shares {
		shares[i] /= job.Span(plan.Task(i))
		total += shares[i]
	}
	weights := make([]Weight, len(shares))
	// So much less than a whole that neither rounding nor the least weight makes the sum more.
	whole := float64(One - Weight(len(shares)))
	for i, p := range shares {
		weights[i] = max(1, Weight(float64(p/total*whole)))
	}
	return weights
}

// Local implements LocalRule.
func (FedNova) Local(l Local) (Local, error) {
	switch {
	case l.AdamW != nil:
		return l, errors.New("fednova needs sgd: how much of its gradients adamw takes is not known")
	case l.KeepState && l.SGD.Momentum != 0:
		return l, errors.New("fednova needs momentum that starts anew in every round, keep_state keeps it")
	case float64(l.SGD.LR*l.ProxMu) >= 1:
		return l, errors.New("fednova needs lr x prox_mu below 1, or steps would undo each other")
	}
	return l, nil
}
