package spec

import (
	"github.com/fedrelu/fedrelu/localsgd"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// fillSimulate gives the absent keys of the section their defaults. Whether partial work counts depends on the algorithm.
func fillSimulate(m *pb.Simulate, s *pb.Spec) {
	set(&section(&m.Stragglers).Fraction, 0)
	set(&m.Dropout, 0)
	set(&m.Deadline, 0)
	partial := pb.Partial_PARTIAL_DROP
	if s.Server.GetFednova() != nil || s.Local.GetProxMu() != 0 {
		partial = pb.Partial_PARTIAL_KEEP
	}
	set(&m.Partial, partial)
}

// fitSimulate notes where the simulated clock contradicts itself or the real one.
func (r *reader) fitSimulate(s *pb.Spec) {
	m := s.Simulate
	if m == nil {
		return
	}
	if s.Close.GetAll() == nil && !isAsynchronous(s.Server) {
		r.object("decides who answers in time, expected close: all", "simulate", "close")
	}
	if u := m.Speed.GetUniform(); u != nil && u.GetHigh() < u.GetLow() {
		r.object("is below low", "simulate.speed.uniform.high", "simulate.speed.uniform")
	}
}

func simulateFrom(m *pb.Simulate) localsgd.Simulation {
	speed := m.GetSpeed()
	return localsgd.Simulation{
		Stragglers: m.GetStragglers().GetFraction(),
		Dropout:    m.GetDropout(),
		Speed:      localsgd.Speed{Sigma: speed.GetLognormal().GetSigma(), Low: speed.GetUniform().GetLow(), High: speed.GetUniform().GetHigh()},
		Deadline:   m.GetDeadline(),
		Partial:    m.GetPartial() == pb.Partial_PARTIAL_KEEP,
	}
}

// simulateTo is nil for no simulation at all.
func simulateTo(s localsgd.Simulation) *pb.Simulate {
	if s == (localsgd.Simulation{}) {
		return nil
	}
	m := &pb.Simulate{
		Stragglers: &pb.Stragglers{Fraction: &s.Stragglers}, Dropout: &s.Dropout, Deadline: &s.Deadline,
		Partial: pb.Partial_PARTIAL_DROP.Enum(),
	}
	if s.Partial {
		m.Partial = pb.Partial_PARTIAL_KEEP.Enum()
	}
	switch v := s.Speed; {
	case v.Sigma != 0:
		m.Speed = &pb.Speed{Distribution: &pb.Speed_Lognormal{Lognormal: &pb.LogNormal{Sigma: &v.Sigma}}}
	case v.High != 0:
		m.Speed = &pb.Speed{Distribution: &pb.Speed_Uniform{Uniform: &pb.UniformSpeed{Low: &v.Low, High: &v.High}}}
	}
	return m
}
