package theory

import "fmt"

// Setting is what of a run decides whether the theorem on ranks holds for a layer (M12, 1.3 items 2 and 6). Clipping of gradients
// by their norm, learning rates by round and FedProx (see Memory) are covered.
type Setting struct {
	SGD               bool    // the local optimizer is SGD
	Momentum          float64 // of the local optimizer
	Decayed           bool    // weight decay applies to the layer
	Regularized       bool    // another penalty does, such as the path norm
	ClippedUpdates    bool    // updates are scaled, each by its own factor, before they are averaged
	Personal          bool    // the layer is not averaged
	Rule              string  // of the server, as localsgd.Rule names it
	ServerLR          float64
	FullParticipation bool // every shard takes part in every round
	Uniform           bool // all participants have the same weight and number of steps
}

// Excludes returns why the theorem says nothing about a run; empty if it applies.
func (s Setting) Excludes() string {
	switch {
	case !s.SGD:
		return "the local optimizer scales coordinates, so that gradients have no small rank"
	case s.Momentum != 0:
		return fmt.Sprintf("the local optimizer has momentum %g", s.Momentum)
	case !s.Decayed:
		return "no weight decay on this layer"
	case s.Regularized:
		return "a penalty beside weight decay has gradients of any rank"
	case s.ClippedUpdates:
		return "updates are clipped, each by its own factor"
	case s.Personal:
		return "the layer is not averaged"
	case s.Rule != "fedavg" && s.Rule != "scaffold":
		return fmt.Sprintf("the rule %s is not covered", s.Rule)
	case s.Rule == "scaffold" && !(s.FullParticipation && s.Uniform):
		return "scaffold's corrections cancel under full participation with equal weights and steps only"
	case !(s.ServerLR > 0 && s.ServerLR <= 1):
		return fmt.Sprintf("server learning rate %g outside of (0, 1]", s.ServerLR)
	}
	return ""
}

// Layer is the shape of a layer: its matrix as it is measured, and the positions at which each example uses it.
type Layer struct {
	Rows, Cols int
	Positions  int // m: output positions of a convolution, 1 for a linear layer (relu.Network.Positions)
}

// Span is a stretch of training, a local step or a round: what was remembered at its end of what was there at its beginning.
// Under FedProx, which pulls to the round's start, and with a server learning rate other than 1 a span of averages is a whole
// round; under FedProx the steps since the round's start are one span of a local model, too.
type Span struct {
	Decay    float64 // what it multiplies the matrix at its beginning by: product of the steps' rho; see RoundDecay
	Samples  int     // examples whose gradients entered: all participants' for an average, the worker's own for a local model
	Spectral float64 // ||W||_2 at its beginning, or a bound on it
}

// Certificate is a bound on the eps-rank that needs no assumption on data, network or convergence (M12, 1.3 item 2).
type Certificate struct {
	N       int    // spans (steps or rounds) after which what was there before is below eps
	Samples int    // examples within them
	Bound   int    // eps-rank <= Bound = min(rows, cols, m Samples)
	Vacuous bool   // Bound is the smaller side
	Reason  string // why vacuous; empty otherwise
}

// Certify returns the certificate at the end of the spans, oldest first, for a matrix that has now the Frobenius norm. With
// the first n counted from the end for which Decay_n ||W_{T-n}||_2 <= eps ||W_T||_F, eps-rank(W_T) <= min(rows, cols, m s_n),
// where s_n are the samples of these n spans. It is the bound for the average if spans are virtual steps or rounds of all
// participants, and the local form (item 3) if the spans of the current round hold the worker's own steps and samples. Spans
// may be of different lengths; finer ones give smaller bounds.
func Certify(layer Layer, spans []Span, frobenius, eps float64) Certificate {
	side := min(layer.Rows, layer.Cols)
	decay, samples := 1.0, 0
	for n := 1; n <= len(spans); n++ {
		s := spans[len(spans)-n]
		decay = float64(decay * s.Decay)
		samples += s.Samples
		if float64(decay*s.Spectral) <= float64(eps*frobenius) {
			return newCertificate(side, n, samples, layer.Positions)
		}
	}
	return Certificate{N: len(spans), Samples: samples, Bound: side, Vacuous: true, Reason: "the first matrix is not forgotten yet"}
}

func newCertificate(side, n, samples, positions int) Certificate {
	c := Certificate{N: n, Samples: samples, Bound: side}
	if samples < (side+positions-1)/positions { // without overflow: m samples < side
		c.Bound = positions * samples
		return c
	}
	c.Vacuous, c.Reason = true, "it remembers more samples than the layer has directions"
	return c
}

// Violated tells whether a measured eps-rank contradicts the certificate, which would mean a mistake in training, measurement
// or certificate.
func (c Certificate) Violated(rank int) bool { return rank > c.Bound }
