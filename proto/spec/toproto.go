package spec

import (
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// Proto returns the spec as the message fedrelu.v1.Spec with every field set: what goes over the wire and into the
// store. Equal specs give equal bytes.
func (s *Spec) Proto() []byte {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(s.message())
	if err != nil {
		panic("spec: a spec that was not checked: " + err.Error()) // only for text that is not UTF-8
	}
	return data
}

// message is the inverse of fromProto.
func (s *Spec) message() *pb.Spec {
	m := &pb.Spec{
		Name:           &s.Name,
		Seed:           &s.Seed,
		Rounds:         number32(s.Rounds),
		Data:           dataTo(s.Data),
		Shards:         &pb.Shards{Count: number32(s.Shards.Count), Partition: partitionTo(s.Shards.Partition)},
		Model:          modelTo(s.Model, s.Local.Freeze),
		Loss:           key(losses, s.Loss),
		LabelSmoothing: &s.Smoothing,
		Regularize:     &pb.Regularize{PathNorm: &s.Local.PathNorm},
		Precision:      key(precisions, s.Precision),
		Local:          localTo(s.Local),
		Participation:  participationTo(s.Participation),
		Server:         ruleTo(s.Server),
		Weighting:      key(weightings, s.Weighting),
		Close:          closeTo(s.Close),
		OnDivergence:   key(divergences, s.OnDivergence),
		GiveUp:         durationpb.New(s.GiveUp),
		State:          key(statePlaces, s.State),
		StateDeadline:  durationpb.New(s.StateDeadline),
		OnStateLost:    key(stateLosses, s.OnStateLost),
		Checks:         checksTo(s),
		Evaluate:       &pb.Evaluate{Every: number32(s.EvaluateEvery)},
		Keep:           &pb.Keep{Last: number32(s.Keep.Last), Every: number32(s.Keep.Every), Best: &s.Keep.Best},
	}
	m.TaskLimit, m.Simulate = durationpb.New(s.TaskLimit), simulateTo(s.Simulate)
	if s.StopAccuracy != 0 {
		m.Stop = &pb.Stop{Accuracy: &s.StopAccuracy}
	}
	if s.Byzantine.Attack != nil {
		m.Faults = &pb.Faults{Byzantine: byzantineTo(s.Byzantine)}
	}
	if s.Shards.Limit != 0 {
		m.Shards.Limit = number32(s.Shards.Limit)
	}
	return m
}

func checksTo(s *Spec) *pb.Checks {
	checks := &pb.Checks{
		Drift: &pb.Drift{Every: number32(s.Drift.Every), Shards: number32(s.Drift.Shards), Probe: number32(s.Drift.Probe)},
		Rank: &pb.Rank{
			Every: number32(s.Rank.Every), Epsilon: &s.Rank.Epsilon, MaxSide: number32(s.Rank.MaxSide), Spectra: number32(s.Rank.Spectra),
		},
	}
	studiesTo(checks, s.Studies)
	return checks
}

// number32 makes -1, which Check refuses everywhere, of what the schema cannot hold.
func number32(n int) *int32 {
	if n < 0 || n > math.MaxInt32 {
		n = -1
	}
	return proto.Int32(int32(n))
}

// key is the inverse of a table; what the table does not have becomes the unspecified value, which Check refuses.
func key[K, V comparable](table map[K]V, value V) *K {
	var found K
	for k, v := range table {
		if v == value {
			found = k
		}
	}
	return &found
}
