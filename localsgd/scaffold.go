package localsgd

import "errors"

// Scaffold is Karimireddy et al. 2020, Algorithm 1: every shard's control variate c_i and their mean c, which is broadcast
// behind the model, correct each local step by c - c_i (Local.Controls). Its updates carry c_i+ - c_i, and
//
//	next = start + LR (mean - start),  c = c + |S|/N (mean of c_i+ - c_i)
//
// for |S| updates and N shards, all of one weight.
type Scaffold struct {
	LR     float64
	Option int // how a shard renews c_i, see Local.Controls: 1 or 2
}

// controlsName is the prefix of control variates in layouts.
const controlsName = "scaffold"

// Name returns "scaffold".
func (Scaffold) Name() string { return "scaffold" }

// TakesMean is true for LR 1.
func (f Scaffold) TakesMean() bool { return f.LR == 1 }

// State is the mean control variate c.
func (Scaffold) State() []StateBlock { return []StateBlock{{Name: controlsName, Broadcast: true}} }

// Step implements Rule.
func (f Scaffold) Step(s *ServerStep) {
	moveBy(f.LR, s.Start, s.Next)
	c := s.State[0]
	part := float64(len(s.Answered)) / float64(len(s.Job.Shards))
	for i, old := range c.Old {
		c.New[i] = float32(float64(old) + float64(part*float64(c.New[i])))
	}
}

// Weigh implements Weigher: every update counts alike, whatever the weighting.
func (Scaffold) Weigh(job *Job, plan Plan, _ Weighting) []Weight {
	return Weights(job.Examples(plan.Shards()), Uniform)
}

// Local implements LocalRule.
func (f Scaffold) Local(l Local) (Local, error) {
	if l.AdamW != nil || l.SGD.Momentum != 0 {
		return l, errors.New("scaffold needs sgd without momentum: its control variates are mean gradients")
	}
	l.Controls = f.Option
	return l, nil
}
