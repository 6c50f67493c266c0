package spec

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// maxParameters bounds a model: 8 GB.
const maxParameters = 1<<31 - 1

// fit notes where values that are good alone do not go together. What depends on the data is checked where they are.
func (r *reader) fit(s *pb.Spec) {
	r.fitData(s)
	r.fitWorkers(s)
	r.fitShards(s)
	r.fitParticipants(s)
	r.fitTraining(s)
	r.fitRule(s)
	if s.Stop.GetAccuracy() > 0 && s.Evaluate.GetEvery() == 0 {
		r.object("is never known with evaluate.every 0", "stop.accuracy", "evaluate.every")
	}
	r.fitModel(s.Model)
}

func (r *reader) fitShards(s *pb.Spec) {
	count, limit := int64(s.Shards.GetCount()), int64(s.Shards.GetLimit())
	if s.Shards.Limit != nil && limit < count {
		r.object(fmt.Sprintf("%d examples are too few for %d shards", limit, count), "shards.limit", "shards.count")
	}
	const path = "shards.partition.contiguous.sizes"
	sizes := s.Shards.Partition.GetContiguous().GetSizes()
	if len(sizes) == 0 {
		return
	}
	if int64(len(sizes)) != count {
		r.object(fmt.Sprintf("%d sizes for %d shards, expected one for each (shards.count)", len(sizes), count), path, "shards.count")
	}
	var sum int64
	for _, size := range sizes {
		sum += int64(size)
	}
	if s.Shards.Limit != nil && sum > limit {
		r.object(fmt.Sprintf("the sizes add up to %d, more than shards.limit %d", sum, limit), path, "shards.limit")
	}
}

func (r *reader) fitParticipants(s *pb.Spec) {
	count := int(s.Shards.GetCount())
	if n := int(s.Participation.GetCount()); n > count {
		r.object(fmt.Sprintf("%d of %d shards cannot take part, expected at most shards.count", n, count), "participation.count", "shards.count")
	}
	participants := participation(s.Participation).Size(count)
	if s.Participation.GetOver() > 1 && participants == count {
		r.object("more than all shards cannot be invited, expected participation.fraction or count", "participation.over")
	}
	if s.Participation.GetOver() > 1 && s.Close.GetQuorum() != nil {
		r.object("over-selection closes rounds by a quorum of its own, expected close: all, deadline or adaptive", "close.quorum", "participation.over")
	}
	if s.Participation.GetBy() == pb.DrawBy_DRAW_BY_EXAMPLES && s.GetWeighting() == pb.Weighting_WEIGHTING_EXAMPLES && s.Server.GetFednova() != nil {
		r.object("fednova would count examples twice where they decide who takes part, expected weighting: uniform", "participation.by", "weighting")
	}
	r.fitSimulate(s)
	if n := int(s.Close.GetQuorum().GetCount()); n > participants {
		r.object(fmt.Sprintf("a quorum of %d among %d participants, expected at most these", n, participants),
			"close.quorum.count", "participation", "shards.count")
	}
}

// participation converts the section.
func participation(p *pb.Participation) localsgd.Participation {
	to := localsgd.Participation{BySize: p.GetBy() == pb.DrawBy_DRAW_BY_EXAMPLES}
	if over := p.GetOver(); over != 1 {
		to.Over = over
	}
	switch amount := p.GetAmount().(type) {
	case *pb.Participation_Count:
		to.Partial, to.Count = true, int(amount.Count)
	case *pb.Participation_Fraction:
		if amount.Fraction != 1 {
			to.Partial, to.Fraction = true, amount.Fraction
		}
	}
	return to // everyone, if not Partial
}

// fitWidths bounds the matrices between hidden layers; those at the ends depend on the data.
func (r *reader) fitWidths(hidden []int32) {
	parameters := int64(0)
	for i := 1; i < len(hidden); i++ {
		parameters += int64(hidden[i-1]) * int64(hidden[i])
	}
	r.fitParameters(parameters, "model.mlp.hidden")
}

func (r *reader) fitParameters(n int64, path string) {
	if n > maxParameters {
		r.object(fmt.Sprintf("makes %d parameters, at most %d are allowed", n, maxParameters), path)
	}
}
