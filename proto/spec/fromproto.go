package spec

import (
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// The tables say which value of the schema is which of the domain. Both directions use them; zero has no entry.
var (
	losses      = map[pb.Loss]relu.Loss{pb.Loss_LOSS_CROSS_ENTROPY: relu.CrossEntropy, pb.Loss_LOSS_MSE: relu.MSE}
	precisions  = map[pb.Precision]localsgd.Precision{pb.Precision_PRECISION_FLOAT32: localsgd.Float32, pb.Precision_PRECISION_FLOAT64: localsgd.Float64}
	weightings  = map[pb.Weighting]localsgd.Weighting{pb.Weighting_WEIGHTING_EXAMPLES: localsgd.ByExamples, pb.Weighting_WEIGHTING_UNIFORM: localsgd.Uniform}
	divergences = map[pb.OnDivergence]Divergence{pb.OnDivergence_ON_DIVERGENCE_FAIL: Fail, pb.OnDivergence_ON_DIVERGENCE_CONTINUE: Continue}
	forms       = map[pb.DirichletForm]shard.Form{pb.DirichletForm_DIRICHLET_FORM_BY_CLASS: shard.ByClass, pb.DirichletForm_DIRICHLET_FORM_BY_SHARD: shard.ByShard}
	norms       = map[pb.Norm]relu.Norm{pb.Norm_NORM_NONE: relu.NoNorm, pb.Norm_NORM_BATCH_NORM: relu.BatchNorms, pb.Norm_NORM_LAYER_NORM: relu.LayerNorms}
	orders      = map[pb.Order]shard.Order{
		pb.Order_ORDER_SHUFFLE: shard.Shuffle, pb.Order_ORDER_REPLACEMENT: shard.Replacement,
		pb.Order_ORDER_CYCLIC: shard.Cyclic, pb.Order_ORDER_SEQUENTIAL: shard.Sequential,
	}
	statePlaces = map[pb.StatePlace]StatePlace{
		pb.StatePlace_STATE_PLACE_AUTO: StateAuto, pb.StatePlace_STATE_PLACE_COORDINATOR: StateAtCoordinator,
		pb.StatePlace_STATE_PLACE_WORKER: StateAtWorker,
	}
	stateLosses = map[pb.OnStateLost]StateLoss{
		pb.OnStateLost_ON_STATE_LOST_FAIL: FailWithoutState, pb.OnStateLost_ON_STATE_LOST_FRESH: StartAfresh,
	}
)

// fromProto converts a message that has passed every check.
func fromProto(m *pb.Spec) *Spec {
	drift, rank := m.Checks.GetDrift(), m.Checks.GetRank()
	return &Spec{
		Name:          m.GetName(),
		Seed:          m.GetSeed(),
		Rounds:        int(m.GetRounds()),
		StopAccuracy:  m.Stop.GetAccuracy(),
		Data:          dataFrom(m.Data),
		Shards:        Shards{Count: int(m.Shards.GetCount()), Partition: partitionFrom(m.Shards.Partition), Limit: int(m.Shards.GetLimit())},
		Model:         modelFrom(m.Model),
		Loss:          losses[m.GetLoss()],
		Smoothing:     m.GetLabelSmoothing(),
		Precision:     precisions[m.GetPrecision()],
		Local:         localFrom(m),
		Participation: participation(m.Participation),
		Server:        ruleFrom(m.Server),
		Weighting:     weightings[m.GetWeighting()],
		Close:         closeFrom(m.Close),
		OnDivergence:  divergences[m.GetOnDivergence()],
		GiveUp:        m.GiveUp.AsDuration(),
		State:         statePlaces[m.GetState()],
		StateDeadline: m.StateDeadline.AsDuration(),
		OnStateLost:   stateLosses[m.GetOnStateLost()],
		Drift:         Drift{Every: int(drift.GetEvery()), Shards: int(drift.GetShards()), Probe: int(drift.GetProbe())},
		Rank:          Rank{Every: int(rank.GetEvery()), Epsilon: rank.GetEpsilon(), MaxSide: int(rank.GetMaxSide()), Spectra: int(rank.GetSpectra())},
		Studies:       studiesFrom(m.Checks),
		EvaluateEvery: int(m.Evaluate.GetEvery()),
		TaskLimit:     m.TaskLimit.AsDuration(),
		Simulate:      simulateFrom(m.Simulate),
		Byzantine:     byzantineFrom(m.Faults.GetByzantine()),
		Keep:          Keep{Last: int(m.Keep.GetLast()), Every: int(m.Keep.GetEvery()), Best: m.Keep.GetBest()},
	}
}

func closeFrom(m *pb.Close) Close {
	return Close{
		Quorum:   int(m.GetQuorum().GetCount()),
		Grace:    m.GetQuorum().GetGrace().AsDuration(),
		Deadline: m.GetDeadline().GetAfter().AsDuration(),
		Adaptive: Adaptive{
			K: m.GetAdaptive().GetK(), Observations: int(m.GetAdaptive().GetObservations()), Floor: m.GetAdaptive().GetFloor().AsDuration(),
		},
	}
}

// convert keeps nil as nil.
func convert[To, From int | int32](from []From) []To {
	var to []To
	for _, x := range from {
		to = append(to, To(x))
	}
	return to
}
