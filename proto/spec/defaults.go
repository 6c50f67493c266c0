package spec

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// set gives a field that is absent its default.
func set[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// section returns a message field, made if absent.
func section[T any](field **T) *T {
	if *field == nil {
		*field = new(T)
	}
	return *field
}

// fillDefaults gives every absent key its default. data and model have none.
func fillDefaults(s *pb.Spec) {
	set(&s.Name, "")
	set(&s.Seed, 1)
	set(&s.Rounds, 100)
	set(&s.Loss, pb.Loss_LOSS_CROSS_ENTROPY)
	set(&s.LabelSmoothing, 0)
	set(&s.Precision, pb.Precision_PRECISION_FLOAT32)
	set(&s.Weighting, pb.Weighting_WEIGHTING_EXAMPLES)
	set(&s.OnDivergence, pb.OnDivergence_ON_DIVERGENCE_FAIL)
	setDuration(&s.GiveUp, 10*time.Minute)
	set(&s.State, pb.StatePlace_STATE_PLACE_AUTO)
	setDuration(&s.StateDeadline, 10*time.Minute)
	set(&s.OnStateLost, pb.OnStateLost_ON_STATE_LOST_FAIL)
	fillData(s.Data)
	if f := s.Data.GetSynthetic().GetFedprox(); f != nil {
		fillDevices(section(&s.Shards), f)
	}
	if s.Data.GetWorkers() != nil {
		fillPartition(section(&s.Shards))
	}
	fillShards(section(&s.Shards))
	if s.Model != nil {
		fillModel(s.Model)
	}
	fillLocal(section(&s.Local), s)
	set(&section(&s.Regularize).PathNorm, 0)
	if p := section(&s.Participation); p.Amount == nil {
		p.Amount = &pb.Participation_Fraction{Fraction: 1}
	}
	if server := section(&s.Server); server.Rule == nil {
		server.Rule = &pb.Server_Fedavg{Fedavg: &pb.FedAvg{}}
	}
	fillRule(s.Server)
	set(&s.Participation.By, pb.DrawBy_DRAW_BY_UNIFORM)
	set(&s.Participation.Over, 1)
	fillClose(section(&s.Close))
	setDuration(&s.TaskLimit, time.Hour)
	if s.Simulate != nil {
		fillSimulate(s.Simulate, s)
	}
	fillMeasures(s)
	fillAttack(s.Faults.GetByzantine().GetAttack())
}

func fillShards(s *pb.Shards) {
	set(&s.Count, 10)
	partition := section(&s.Partition)
	switch form := partition.Form.(type) {
	case nil:
		partition.Form = &pb.Partition_Iid{Iid: &pb.IID{}}
	case *pb.Partition_LabelShards:
		set(&form.LabelShards.PerShard, 2)
	case *pb.Partition_Labels:
		set(&form.Labels.PerShard, 2)
	case *pb.Partition_Dirichlet:
		set(&form.Dirichlet.Form, pb.DirichletForm_DIRICHLET_FORM_BY_CLASS)
	}
}

func fillClose(c *pb.Close) {
	switch when := c.When.(type) {
	case nil:
		c.When = &pb.Close_All{All: &pb.All{}}
	case *pb.Close_Quorum:
		setDuration(&when.Quorum.Grace, 0)
	case *pb.Close_Adaptive:
		set(&when.Adaptive.K, 5)
		set(&when.Adaptive.Observations, 10)
		setDuration(&when.Adaptive.Floor, time.Second)
	}
}

func fillMeasures(s *pb.Spec) {
	checks := section(&s.Checks)
	drift := section(&checks.Drift)
	if isAsynchronous(s.Server) {
		set(&drift.Every, 0)
	}
	set(&drift.Every, 1)
	set(&drift.Shards, 4)
	set(&drift.Probe, 32)
	rank := section(&checks.Rank)
	set(&rank.Every, 3) // every round, with drift, takes 13% of the time of examples/mnist.yaml; more than 10% was not to be
	set(&rank.Epsilon, 0.001)
	set(&rank.MaxSide, 1024)
	set(&rank.Spectra, 0)
	for _, study := range studyTable {
		set(&section(study.field(checks)).Every, 0)
	}
	set(&section(&s.Evaluate).Every, 1)
	keep := section(&s.Keep)
	set(&keep.Last, 3)
	set(&keep.Every, 0)
	set(&keep.Best, true)
}

// setDuration is set for a duration, which is a message with state of its own.
func setDuration(field **durationpb.Duration, d time.Duration) {
	if *field == nil {
		*field = durationpb.New(d)
	}
}
