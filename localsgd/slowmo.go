package localsgd

// SlowMo is Wang, Tantia, Ballas, Rabbat 2020, Algorithm 1: momentum over the average of the participants, in units of the
// round's local learning rate gamma, so that it keeps its meaning while gamma goes its way:
//
//	u = Beta u + (start - mean) / gamma,  next = start - LR gamma u.
//
// LR is the paper's alpha. In a round with gamma 0 the model stays, and so does u, of which nothing is known then.
type SlowMo struct {
	LR, Beta float64 // Beta in [0, 1)
}

// Name returns "slowmo".
func (SlowMo) Name() string { return "slowmo" }

// TakesMean is true for LR 1 without momentum.
func (f SlowMo) TakesMean() bool { return f.LR == 1 && f.Beta == 0 }

// State is the slow momentum u, none for Beta 0.
func (f SlowMo) State() []StateBlock {
	if f.Beta == 0 {
		return nil
	}
	return []StateBlock{{Name: "momentum"}}
}

// Step implements Rule.
func (f SlowMo) Step(s *ServerStep) {
	if f.Beta == 0 {
		moveBy(f.LR, s.Start, s.Next)
		return
	}
	gamma := s.Job.Local.RateIn(s.Plan.Round)
	if gamma == 0 {
		copy(s.Next, s.Start)
		return
	}
	momentum := s.State[0]
	for i, start := range s.Start {
		start := float64(start)
		u := float64(f.Beta*float64(momentum.Old[i])) + (start-float64(s.Next[i]))/gamma
		momentum.New[i] = float32(u)
		s.Next[i] = float32(start - float64(f.LR*gamma*u))
	}
}
