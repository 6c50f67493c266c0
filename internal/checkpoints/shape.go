package checkpoints

import (
	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/analysis/norm"
)

// ofNetwork says what the form of a network gives without data: P2's sums, and M17.
func (m *meter) ofNetwork(at Place, block []float32) error {
	if m.net == nil {
		return nil
	}
	if err := m.sayIdentity(at, block); err != nil {
		return err
	}
	if u, err := norm.NewUnivariate(m.net, block); err == nil {
		m.saySpline(at, u)
		return nil
	}
	path, err := norm.NewPath(m.net)
	if err != nil {
		m.note("no path norm: " + err.Error())
		return nil
	}
	m.say("path_norm", at, path.Norm(block))
	return nil
}

func (m *meter) sayIdentity(at Place, block []float32) error {
	depth, err := activity.MeasureDepth(&m.workspace, m.net, block)
	if err != nil || depth.Reason != "" {
		return err
	}
	for _, l := range depth.Layers {
		at := at.in(m.module(l.Name))
		m.say("identity.spectral", at, l.Spectral)
		m.say("identity.frobenius", at, l.Frobenius)
		m.say("bias_norm", at, l.Bias)
	}
	m.say("identity.sum", at, depth.SumP)
	m.say("bias_norm.sum", at, depth.SumB)
	return nil
}

// module returns the name that the files give to a layer of the network: what stands in front of its weight's name.
func (m *meter) module(name string) string {
	own := m.net.Layout()
	for i := range own.Len() {
		if own.At(i).Name == name+".weight" {
			return moduleOf(m.layout.At(i).Name)
		}
	}
	return name
}

// saySpline says what a shallow network of one input is as a function (P5). The path norm leaves out skip and last bias, which that
// of other networks has as paths (M17).
func (m *meter) saySpline(at Place, u *norm.Univariate) {
	knots := u.Knots()
	m.say("path_norm", at, u.PathNorm())
	m.sayIf("balance", at, u.Balance(false))
	m.say("knots", at, float64(len(knots)))
	m.say("variation", at, norm.Variation(knots))
	if m.subject != nil {
		m.sayOptimum(at, u)
	}
}
