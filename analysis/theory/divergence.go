package theory

// Spread is what makes local models part: the noise of their gradients and the difference of their data.
type Spread struct {
	Sigma2 float64 // variance of one example's gradient around its shard's, ||.||^2: B times the spread of batches of B
	Zeta2  float64 // heterogeneity sum p_k ||grad F_k - grad F||^2 (M8); an estimate may be negative
}

// Sigma2 returns the variance of one example's gradient, given the mean over batches of ||g_S - g||^2 that is corrected for the
// number of batches (M14's gradient spread), for batches of this size drawn with replacement or from many examples.
func Sigma2(spread float64, batch int) float64 { return float64(float64(batch) * spread) }

// Divergence predicts V = sum p_k ||end_k - mean||^2 at the end of a round of H local steps with learning rate lr and batches of
// B on K shards of equal weight, from V ~ lr^2 (1-1/K) (H sigma^2/B + H^2 zeta^2) (P6.6). A negative estimate of zeta^2
// counts as 0.
func (s Spread) Divergence(lr float64, d Dynamics) float64 {
	h := float64(d.Steps)
	noise := float64(h * s.Sigma2 / float64(d.Batch))
	drift := float64(h * h * max(0, s.Zeta2))
	return float64(lr * lr * (1 - 1/float64(d.Workers)) * (noise + drift))
}

// Overtaking returns H* = sigma^2/(B zeta^2), the number of local steps from which heterogeneity parts the models more than
// noise; nil with a reason where there is none.
func (s Spread) Overtaking(batch int) (steps *float64, reason string) {
	if !(s.Zeta2 > 0) {
		return nil, "no heterogeneity was found"
	}
	h := s.Sigma2 / (float64(batch) * s.Zeta2)
	return &h, ""
}
