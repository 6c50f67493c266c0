package localsgd

import "math"

// adaptive is Reddi et al. 2021, Algorithm 2, without bias correction: with d = mean - start and second, the rule's own
// second moment,
//
//	m = beta1 m + (1 - beta1) d,  v = second(v, d^2),  next = start + lr m / (sqrt(v) + tau),
//
// where v begins as tau^2.
type adaptive struct {
	lr, beta1, tau float64
	second         func(v, square float64) float64
}

// adaptiveState is the state of the three rules: the moments m and v.
func adaptiveState(tau float64) []StateBlock {
	return []StateBlock{{Name: "momentum"}, {Name: "second_moment", Initial: float32(tau * tau)}}
}

func (a adaptive) step(s *ServerStep) {
	first, second := s.State[0], s.State[1]
	for i, start := range s.Start {
		start := float64(start)
		d := float64(s.Next[i]) - start
		m := float64(a.beta1*float64(first.Old[i])) + float64((1-a.beta1)*d)
		v := a.second(float64(second.Old[i]), float64(d*d))
		first.New[i], second.New[i] = float32(m), float32(v)
		s.Next[i] = float32(start + float64(a.lr*m)/(math.Sqrt(v)+a.tau))
	}
}
