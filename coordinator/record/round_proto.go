package record

import (
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

func (*Round) kind() Kind { return KindRound }

func (r *Round) encode() ([]byte, error) {
	return marshal(&fedreluv1.RoundRecord{
		Number: uint32(r.Number), Invited: numbers[uint32](r.Invited), Participants: numbers[uint32](r.Participants),
		Missing: numbers[uint32](r.Missing), CloseReason: text(r.CloseReason), Weights: r.Weights,
		Diverged: each(r.Diverged, func(d Diverged) *fedreluv1.DivergedTask {
			return &fedreluv1.DivergedTask{Shard: uint32(d.Shard), Step: uint64(d.Step), Detail: text(d.Detail)}
		}),
		Workers: each(r.Workers, func(w Worker) *fedreluv1.RoundWorker {
			return &fedreluv1.RoundWorker{Name: text(w.Name), Shards: numbers[uint32](w.Shards)}
		}),
		TestAccuracy: r.TestAccuracy, TestLoss: r.TestLoss, TrainLoss: r.TrainLoss,
		Examples: r.Examples, Steps: r.Steps, BytesUp: r.BytesUp, BytesDown: r.BytesDown,
		Seconds: &fedreluv1.RoundSeconds{
			Train: r.Seconds.Train, Wait: r.Seconds.Wait, Network: r.Seconds.Network, Aggregate: r.Seconds.Aggregate,
			MeasureWait: r.Seconds.MeasureWait,
		},
		StartModel: hashBytes(r.StartModel), Model: hashBytes(r.Model), Time: nanos(r.Time), MeasureDue: r.MeasureDue,
		RuleState: hashBytes(r.RuleState), Start: hashBytes(r.Start), ShardStates: each(r.ShardStates, hashBytes),
		TaskSteps: numbers[uint32](r.TaskSteps),
		Absent: each(r.Absent, func(a Absent) *fedreluv1.AbsentShards {
			return &fedreluv1.AbsentShards{Shards: numbers[uint32](a.Shards), Reason: text(a.Reason)}
		}),
		FreshStates: numbers[uint32](r.FreshStates), StatesStay: r.StatesStay,
		Arrivals: each(r.Arrivals, func(a Arrival) *fedreluv1.Arrival {
			return &fedreluv1.Arrival{Round: uint32(a.Start), Shard: uint32(a.Shard)}
		}),
		Discarded: each(r.Discarded, func(d Discarded) *fedreluv1.DiscardedTask {
			return &fedreluv1.DiscardedTask{Round: uint32(d.Start), Shard: uint32(d.Shard), Reason: text(d.Reason)}
		}),
	})
}

func roundFromProto(m *fedreluv1.RoundRecord) (Round, error) {
	f := reader{fields{of: "round"}}
	s := m.GetSeconds()
	r := Round{
		Number: int(m.GetNumber()), Invited: numbers[int](m.GetInvited()), Participants: numbers[int](m.GetParticipants()),
		Missing: numbers[int](m.GetMissing()), CloseReason: m.GetCloseReason(), Weights: m.GetWeights(),
		Diverged: each(m.GetDiverged(), func(d *fedreluv1.DivergedTask) Diverged {
			return Diverged{Shard: int(d.GetShard()), Step: int64(d.GetStep()), Detail: d.GetDetail()}
		}),
		Workers: each(m.GetWorkers(), func(w *fedreluv1.RoundWorker) Worker {
			return Worker{Name: w.GetName(), Shards: numbers[int](w.GetShards())}
		}),
		TestAccuracy: m.TestAccuracy, TestLoss: m.TestLoss, TrainLoss: m.TrainLoss,
		Examples: m.GetExamples(), Steps: m.GetSteps(), BytesUp: m.GetBytesUp(), BytesDown: m.GetBytesDown(),
		Seconds: Seconds{
			Train: s.GetTrain(), Wait: s.GetWait(), Network: s.GetNetwork(), Aggregate: s.GetAggregate(), MeasureWait: s.GetMeasureWait(),
		},
		StartModel: f.hash("start_model", m.GetStartModel()), Model: f.hash("model", m.GetModel()),
		Time: instant(m.GetTime()), MeasureDue: m.GetMeasureDue(),
		RuleState: f.hash("rule_state", m.GetRuleState()), Start: f.hash("start", m.GetStart()),
		ShardStates: each(m.GetShardStates(), func(h []byte) tensor.Hash { return f.hash("shard_states", h) }),
		TaskSteps:   numbers[int](m.GetTaskSteps()),
		Absent: each(m.GetAbsent(), func(a *fedreluv1.AbsentShards) Absent {
			return Absent{Shards: numbers[int](a.GetShards()), Reason: a.GetReason()}
		}),
		FreshStates: numbers[int](m.GetFreshStates()), StatesStay: m.GetStatesStay(),
		Arrivals: each(m.GetArrivals(), func(a *fedreluv1.Arrival) Arrival {
			return Arrival{Start: int(a.GetRound()), Shard: int(a.GetShard())}
		}),
		Discarded: each(m.GetDiscarded(), func(d *fedreluv1.DiscardedTask) Discarded {
			return Discarded{Arrival{Start: int(d.GetRound()), Shard: int(d.GetShard())}, d.GetReason()}
		}),
	}
	if f.err != nil {
		return Round{}, f.err
	}
	if err := r.Validate(); err != nil {
		return Round{}, err
	}
	return r, nil
}
