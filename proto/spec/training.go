package spec

import (
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// fillLocal gives the absent keys of the section their defaults, some of which are those of the rest of the spec.
func fillLocal(l *pb.Local, s *pb.Spec) {
	if l.Length == nil {
		l.Length = &pb.Local_Epochs{Epochs: 1}
	}
	set(&l.Batch, 10)
	set(&l.Order, pb.Order_ORDER_SHUFFLE)
	set(&l.ClipNorm, 0)
	set(&l.ProxMu, 0)
	set(&l.ClipUpdate, 0)
	set(&l.KeepState, false)
	set(&section(&l.PostLocal).Until, 0)
	set(&l.Fedbn, false)
	optimizer := section(&l.Optimizer)
	if optimizer.Kind == nil {
		optimizer.Kind = &pb.Optimizer_Sgd{Sgd: &pb.SGD{}}
	}
	var noDecay []string
	if shallow := s.Model.GetShallow(); shallow != nil {
		noDecay = shallowNoDecay(shallow)
	}
	fillOptimizer(optimizer, noDecay)
	fillSchedule(section(&l.Schedule), s.GetRounds())
}

func fillOptimizer(o *pb.Optimizer, noDecay []string) {
	if sgd := o.GetSgd(); sgd != nil {
		set(&sgd.Lr, 0.1)
		set(&sgd.Momentum, 0)
		set(&sgd.Nesterov, false)
		set(&sgd.WeightDecay, 0)
		if len(sgd.NoDecay) == 0 {
			sgd.NoDecay = noDecay
		}
	}
	if adamw := o.GetAdamw(); adamw != nil {
		set(&adamw.Lr, 0.001)
		set(&adamw.Eps, 1e-8)
		set(&adamw.WeightDecay, 0.01)
		if len(adamw.Betas) == 0 {
			adamw.Betas = []float64{0.9, 0.999}
		}
		if len(adamw.NoDecay) == 0 {
			adamw.NoDecay = noDecay
		}
	}
}

func fillSchedule(s *pb.Schedule, rounds int32) {
	if s.Form == nil {
		s.Form = &pb.Schedule_Constant{Constant: &pb.Constant{}}
	}
	if step := s.GetStep(); step != nil {
		set(&step.Gamma, 0.1)
	}
	if cosine := s.GetCosine(); cosine != nil {
		set(&cosine.Rounds, rounds)
		set(&cosine.MinLr, 0)
	}
	warmup := section(&s.Warmup)
	set(&warmup.Rounds, 0)
	set(&warmup.Start, 0.1)
}

// localFrom converts the section, and model.freeze and regularize, which are about training too.
func localFrom(s *pb.Spec) localsgd.Local {
	m := s.Local
	l := localsgd.Local{
		Schedule: shard.Schedule{
			Order:  orders[m.GetOrder()],
			Batch:  int(m.GetBatch()),
			Epochs: int(m.GetEpochs()),
			Steps:  int(m.GetSteps()),
		},
		Rates:    ratesFrom(m.Schedule),
		Warmup:   localsgd.Warmup{Rounds: int(m.Schedule.Warmup.GetRounds()), Start: m.Schedule.Warmup.GetStart()},
		ClipNorm: m.GetClipNorm(),
		PathNorm: s.Regularize.GetPathNorm(),
		Freeze:   globs(s.Model.Freeze),

		ProxMu:     m.GetProxMu(),
		ClipUpdate: m.GetClipUpdate(),
		KeepState:  m.GetKeepState(),
		PostLocal:  int(m.PostLocal.GetUntil()),
		Personal:   globs(m.Personal),
		FedBN:      m.GetFedbn(),
	}
	if sgd := m.Optimizer.GetSgd(); sgd != nil {
		l.SGD = localsgd.SGD{
			LR: sgd.GetLr(), Momentum: sgd.GetMomentum(), Nesterov: sgd.GetNesterov(),
			WeightDecay: sgd.GetWeightDecay(), NoDecay: globs(sgd.NoDecay),
		}
	}
	if a := m.Optimizer.GetAdamw(); a != nil {
		l.AdamW = &localsgd.AdamW{
			LR: a.GetLr(), Beta1: a.Betas[0], Beta2: a.Betas[1], Eps: a.GetEps(),
			WeightDecay: a.GetWeightDecay(), NoDecay: globs(a.NoDecay),
		}
	}
	return l
}

// globs returns a copy, nil of an empty list.
func globs(list []string) []string { return append([]string(nil), list...) }

func ratesFrom(m *pb.Schedule) localsgd.LRSchedule {
	switch form := m.Form.(type) {
	case *pb.Schedule_Step:
		return localsgd.StepLR{Size: int(form.Step.GetSize()), Gamma: form.Step.GetGamma()}
	case *pb.Schedule_Exponential:
		return localsgd.ExponentialLR{Gamma: form.Exponential.GetGamma()}
	case *pb.Schedule_Cosine:
		return localsgd.CosineLR{Rounds: int(form.Cosine.GetRounds()), Min: form.Cosine.GetMinLr()}
	}
	return nil
}

func localTo(l localsgd.Local) *pb.Local {
	m := &pb.Local{
		Batch:     number32(l.Schedule.Batch),
		Order:     key(orders, l.Schedule.Order),
		Optimizer: optimizerTo(l),
		ClipNorm:  &l.ClipNorm,
		Schedule:  ratesTo(l.Rates),

		ProxMu:     &l.ProxMu,
		ClipUpdate: &l.ClipUpdate,
		KeepState:  &l.KeepState,
		PostLocal:  &pb.PostLocal{Until: number32(l.PostLocal)},
		Personal:   slices.Clone(l.Personal),
		Fedbn:      &l.FedBN,
	}
	m.Schedule.Warmup = &pb.Warmup{Rounds: number32(l.Warmup.Rounds), Start: &l.Warmup.Start}
	if l.Schedule.Steps != 0 {
		m.Length = &pb.Local_Steps{Steps: *number32(l.Schedule.Steps)}
	} else {
		m.Length = &pb.Local_Epochs{Epochs: *number32(l.Schedule.Epochs)}
	}
	return m
}

func optimizerTo(l localsgd.Local) *pb.Optimizer {
	if a := l.AdamW; a != nil {
		return &pb.Optimizer{Kind: &pb.Optimizer_Adamw{Adamw: &pb.AdamW{
			Lr: &a.LR, Betas: []float64{a.Beta1, a.Beta2}, Eps: &a.Eps, WeightDecay: &a.WeightDecay, NoDecay: slices.Clone(a.NoDecay),
		}}}
	}
	s := l.SGD
	return &pb.Optimizer{Kind: &pb.Optimizer_Sgd{Sgd: &pb.SGD{
		Lr: &s.LR, Momentum: &s.Momentum, Nesterov: &s.Nesterov, WeightDecay: &s.WeightDecay, NoDecay: slices.Clone(s.NoDecay),
	}}}
}

func ratesTo(rates localsgd.LRSchedule) *pb.Schedule {
	switch r := rates.(type) {
	case localsgd.StepLR:
		return &pb.Schedule{Form: &pb.Schedule_Step{Step: &pb.Step{Size: number32(r.Size), Gamma: &r.Gamma}}}
	case localsgd.ExponentialLR:
		return &pb.Schedule{Form: &pb.Schedule_Exponential{Exponential: &pb.Exponential{Gamma: &r.Gamma}}}
	case localsgd.CosineLR:
		return &pb.Schedule{Form: &pb.Schedule_Cosine{Cosine: &pb.Cosine{Rounds: number32(r.Rounds), MinLr: &r.Min}}}
	}
	return &pb.Schedule{Form: &pb.Schedule_Constant{Constant: &pb.Constant{}}}
}
